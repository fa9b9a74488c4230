"""A plain MLflow client in another process moves aliases and stages: followed where it may be, ours again where not."""

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from modelyard.bundling import BuiltBundle
from modelyard.registry import ApprovalRule, OutsidePolicy
from modelyard.rollout import EXTERNAL, OutsideChanges
from modelyard.tracking import RegisteredModels, Shown, Tracker

from .shop import ANA, BOB, Shop

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

LIVE = {"d": {"model": "fraud@production"}}


@pytest.fixture(autouse=True)
def tables(mlflow_tables: Path, tmp_path: Path) -> None:
    """MLflow's tables, empty, where a market looks for them."""
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")


class Market(Shop):
    """A shop with real MLflow on SQLite."""

    def __init__(self, folder: Path, built: BuiltBundle, policy: OutsidePolicy = "follow", **named: object) -> None:
        super().__init__(folder, **named)  # type: ignore[arg-type]
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.tracked = RegisteredModels(Tracker(self.uri, (folder / "artifacts").as_uri(), self.clock))
        self.projector._tracked = self.registry._tracked = self.tracked
        self.outside = OutsideChanges(self.intents, self.registry, self.projector, self.promotions, policy)
        self.client = mlflow.MlflowClient(self.uri, self.uri)
        for _ in range(3):
            self.version(built.path, built.digest)

    def shown(self) -> tuple[dict[str, int], dict[int, str]]:
        """What any client sees."""
        shown = self.tracked.shown("fraud")
        assert shown is not None
        return dict(shown.aliases), dict(shown.stages)


@pytest.mark.long
def test_an_alias_that_was_moved_in_another_process_is_followed(tmp_path: Path, built: BuiltBundle) -> None:
    """Through the same promotion as everybody's: servers switch; history and audit say that it came from outside."""
    market = Market(tmp_path, built, deployments=LIVE)
    market.promotions.promote("fraud", 1, "production", ANA)
    program = f"import mlflow; mlflow.MlflowClient({market.uri!r}, {market.uri!r})"
    move = ".set_registered_model_alias('fraud', 'production', '2')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", program + move], check=True, capture_output=True)
    (found,) = market.outside.notice("fraud")
    assert (found.followed, found.change) == (True, "production was moved from 1 to 2 (as an alias)")
    assert market.live("d") == "2"
    last = market.registry.history("fraud")[-1]
    assert (last.source, last.by, last.to) == ("external", EXTERNAL.name, 2)
    assert market.audit.entries()[-1].body["source"] == "external"
    assert market.shown() == ({"production": 2}, {1: "Archived", 2: "Production", 3: "None"})
    assert market.outside.notice("fraud") == []
    assert market.verify() == {"production": 2}


def test_a_stage_is_followed_too_and_models_name_production_is_what_we_decide(
    tmp_path: Path, built: BuiltBundle
) -> None:
    """With and without archiving who was there; out of it, into the archive and back."""
    market = Market(tmp_path, built)
    market.promotions.promote("fraud", 1, "production", ANA)
    market.client.transition_model_version_stage("fraud", "2", "Production", archive_existing_versions=True)
    market.client.transition_model_version_stage("fraud", "3", "Archived")
    assert all(each.followed for each in market.outside.notice("fraud"))
    assert market.registry.aliases("fraud") == {"production": 2}
    assert market.shown() == ({"production": 2}, {1: "Archived", 2: "Production", 3: "Archived"})
    (latest,) = market.client.get_latest_versions("fraud", ["Production"])
    assert int(latest.version) == 2
    market.client.transition_model_version_stage("fraud", "2", "None")
    market.client.transition_model_version_stage("fraud", "3", "None")
    assert len(market.outside.notice("fraud")) == 2
    assert market.registry.aliases("fraud") == {}
    assert market.shown() == ({}, {1: "Archived", 2: "None", 3: "None"})


def test_what_may_not_serve_is_not_followed(tmp_path: Path, built: BuiltBundle) -> None:
    """Approvals are missing, the version is not ours, deployments would serve without an alias: MLflow shows ours."""
    market = Market(tmp_path, built, deployments=LIVE, rules={"production": ApprovalRule()})
    market.approvals.approve(market.registry.get("fraud", 1), "production", BOB)
    market.promotions.promote("fraud", 1, "production", ANA)
    stranger = market.tracked.create("fraud", "modelyard:stranger", None)
    ours = ({"production": 1}, {1: "Production", 2: "None", 3: "None", stranger: "None"})
    client = market.client
    for act, why in (
        (lambda: client.set_registered_model_alias("fraud", "production", "2"), "0 of 1 approvals"),
        (lambda: client.transition_model_version_stage("fraud", "2", "Production"), "0 of 1 approvals"),
        (lambda: client.set_registered_model_alias("fraud", "production", str(stranger)), "has no version"),
        (lambda: client.transition_model_version_stage("fraud", str(stranger), "Production"), "has no version"),
        (lambda: client.delete_registered_model_alias("fraud", "production"), "would serve without an alias"),
    ):
        act()
        (found,) = market.outside.notice("fraud")
        assert not found.followed
        assert why in found.why
        assert market.shown() == ours
        entry = market.audit.entries()[-1].body
        assert (entry["action"], entry["source"]) == ("model.outside_refused", "external")
    assert market.live("d") == "1"
    assert len(market.registry.history("fraud")) == 1


def test_where_it_is_refused_nothing_is_followed(tmp_path: Path, built: BuiltBundle) -> None:
    """However good the version; what points at versions that are not ours and means nothing here is left alone."""
    market = Market(tmp_path, built, "refuse")
    market.promotions.promote("fraud", 1, "production", ANA)
    stranger = market.tracked.create("fraud", "modelyard:stranger", None)
    market.client.set_registered_model_alias("fraud", "production", "2")
    market.client.set_registered_model_alias("fraud", "mine", str(stranger))
    (found,) = market.outside.notice()
    assert (found.followed, found.why) == (False, "security.outside_changes is refuse")
    assert market.shown()[0] == {"production": 1, "mine": stranger}
    assert market.outside.notice() == []


def test_mlflow_is_asked_only_of_models_that_it_may_show_otherwise(
    tmp_path: Path, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and whatever else was logged; who goes back to what we showed before is noticed too."""
    market = Market(tmp_path, built)
    for name in ("b", "c", "d"):
        market.version(built.path, built.digest, name)
        market.promotions.promote(name, 1, "production", ANA)
    market.promotions.promote("fraud", 1, "production", ANA)
    asked: list[str] = []
    ask = market.tracked.shown

    def shown(model: str) -> Shown | None:
        asked.append(model)
        return ask(model)

    monkeypatch.setattr(market.tracked, "shown", shown)
    for number, looked_at in enumerate((None, "b", None)):
        market.client.create_experiment(f"other {number}")
        assert market.outside.notice(looked_at) == []
    assert market.projector.unseen("c") is None  # who looked at all has looked at each
    assert asked == []
    market.promotions.promote("fraud", 2, "production", ANA)
    asked.clear()
    market.client.set_registered_model_alias("fraud", "production", "1")
    (found,) = market.outside.notice()
    assert (found.change, set(asked)) == ("production was moved from 2 to 1 (as an alias)", {"fraud"})


def test_what_a_crash_left_unshown_is_shown_by_the_next_look(
    tmp_path: Path, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is nobody's outside change; a look that finds nothing asks nothing of MLflow the next time."""
    market = Market(tmp_path, built)
    market.promotions.promote("fraud", 1, "production", ANA)
    market.promotions.promote("fraud", 2, "production", ANA)
    market.promotions.roll_back("fraud", ANA, "worse")
    assert market.shown()[0] == {"production": 2}
    assert market.outside.notice("fraud") == []
    assert market.shown() == ({"production": 1}, {1: "Production", 2: "Archived", 3: "None"})
    assert market.outside.notice("fraud") == []

    def asked(model: str) -> Shown | None:
        raise AssertionError(model)

    monkeypatch.setattr(market.tracked, "shown", asked)
    assert market.outside.notice("fraud") == []
