"""MLflow's registered models: numbers, aliases and stages, as any plain client sees them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from modelyard.core import SystemClock
from modelyard.tracking import RegisteredModels, Shown, Tracker

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An MLflow store on SQLite."""
    return f"sqlite:///{tmp_path_factory.mktemp('registered') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def tracked(uri: str, tmp_path_factory: pytest.TempPathFactory) -> RegisteredModels:
    """Two versions of one model; neither has a logged model behind it."""
    tracked = RegisteredModels(Tracker(uri, tmp_path_factory.mktemp("artifacts").as_uri(), SystemClock()))
    assert [tracked.create("delay", f"modelyard:{number}", None, {"k": "v"}) for number in (1, 2)] == [1, 2]
    return tracked


def test_aliases_and_stages_are_shown_as_told(tracked: RegisteredModels, uri: str) -> None:
    """They move and go away; what is not named stays, and `models:/name/Production` is what we say."""
    client = mlflow.MlflowClient(uri, uri)
    tracked.show("delay", {"production": 1, "old": None}, {1: "Production", 2: "None"})
    tracked.show("delay", {"production": 2, "staging": 1}, {1: "Staging", 2: "Production"})
    assert tracked.shown("delay") == Shown({"production": 2, "staging": 1}, {1: "Staging", 2: "Production"})
    assert int(client.get_model_version_by_alias("delay", "production").version) == 2
    (live,) = client.get_latest_versions("delay", ["Production"])
    assert int(live.version) == 2
    tracked.show("delay", {"staging": None}, {1: "Archived"})
    assert tracked.shown("delay") == Shown({"production": 2}, {1: "Archived", 2: "Production"})


def test_tags_and_descriptions_are_told_and_others_stay(tracked: RegisteredModels, uri: str) -> None:
    """Set, changed, removed; whoever reads MLflow sees them."""
    client = mlflow.MlflowClient(uri, uri)
    client.set_model_version_tag("delay", "2", "theirs", "stays")
    tracked.tell("delay", 2, {"team": "risk", "k": None, "never": None}, "what it is")
    found = client.get_model_version("delay", "2")
    assert (found.tags, found.description) == ({"theirs": "stays", "team": "risk"}, "what it is")
    tracked.tell("delay", 2, {"team": "fraud"}, None)
    found = client.get_model_version("delay", "2")
    assert (found.tags, found.description) == ({"theirs": "stays", "team": "fraud"}, "what it is")
    tracked.tell("delay", 9, {"team": "risk"}, "nobody")


def test_what_does_not_exist_is_none(tracked: RegisteredModels) -> None:
    """No error: nobody promised that MLflow has it. Showing something of it does nothing."""
    before = tracked.shown("delay")
    assert tracked.shown("nobody") is None
    assert tracked.version("delay", 9) is None
    tracked.show("nobody", {"production": 1}, {1: "Production"})
    tracked.show("delay", {"future": 9}, {9: "Production"})
    tracked.delete("delay", 9)
    assert tracked.shown("delay") == before


def test_the_mark_changes_with_every_change_and_with_nothing_else(tracked: RegisteredModels, uri: str) -> None:
    """Whoever made it; it is read from the file alone."""
    before = tracked.mark()
    assert tracked.shown("delay") is not None
    assert tracked.mark() == before
    mlflow.MlflowClient(uri, uri).set_registered_model_alias("delay", "mine", "1")
    assert tracked.mark() != before
    tracked.show("delay", {"mine": None}, {})


def test_a_glance_at_the_file_sees_what_a_client_is_shown(tracked: RegisteredModels, uri: str) -> None:
    """Of all models, and of one; deleted versions and aliases are gone from both."""
    client = mlflow.MlflowClient(uri, uri)
    for _ in range(4):
        tracked.create("many", "modelyard:1", None)
    tracked.create("bare", "modelyard:1", None)
    stages = {1: "Production", 2: "Archived", 3: "Staging", 4: "Archived"}
    tracked.show("many", {"production": 1, "old": 2, "mine": 3}, stages)
    client.delete_registered_model_alias("many", "old")
    client.delete_model_version("many", "4")
    tracked.show("delay", {"production": 2}, {2: "Production"})
    found = tracked.glance()
    assert found is not None
    assert set(found) == {"many", "delay"}
    for model, glanced in found.items():
        shown = tracked.shown(model)
        assert shown is not None
        assert glanced == Shown(shown.aliases, {each: at for each, at in shown.stages.items() if at != "None"})
        assert tracked.glance(model) == {model: glanced}
    assert found["many"] == Shown({"production": 1, "mine": 3}, {1: "Production", 2: "Archived", 3: "Staging"})
    assert tracked.glance("bare") == tracked.glance("nobody") == {}


def test_what_cannot_be_glanced_at_must_be_asked(tmp_path: Path) -> None:
    """A server, a file that is not there or no database, and tables that are not those that we know."""
    for name in ("none.db", "text.db", "other.db"):
        file = tmp_path / name
        if name == "text.db":
            file.write_text("no database at all, but a text" * 100)
        if name == "other.db":
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER)")
        assert RegisteredModels(Tracker(f"sqlite:///{file}", "", SystemClock())).glance() is None
    assert not (tmp_path / "none.db").exists()
    assert RegisteredModels(Tracker("http://127.0.0.1:9", "", SystemClock())).glance("delay") is None


def test_a_server_that_does_not_listen_is_known_without_mlflow(tmp_path: Path) -> None:
    """In a second, not after MLflow's many tries; a file always answers."""
    assert not RegisteredModels(Tracker("http://127.0.0.1:9", "", SystemClock())).answers()
    assert RegisteredModels(Tracker(f"sqlite:///{tmp_path / 'none.db'}", "", SystemClock())).answers()
    assert RegisteredModels(Tracker("http://127.0.0.1:9", "", SystemClock())).mark() is None
