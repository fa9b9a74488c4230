"""What a retrained candidate stands on: a window of the history, weights by age, and the champion on the same rows."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from tests.conftest import NOON

from modelyard.core import InvalidInput, Judgement, ManualClock, SeededIds, Verdict
from modelyard.data import split_by_time
from modelyard.operations import write_template
from modelyard.pipelines import Candidate, find_run, gate
from modelyard.stats import auc
from modelyard.wiring import Project
from modelyard.wiring.new_rows import NewRows

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

WEEK = timedelta(days=7)


@pytest.fixture
def project(shop: Path) -> Iterator[Project]:
    """The shop with its version 1 in production."""
    project = Project(shop, clock=ManualClock(NOON), ids=SeededIds(1), environment={})
    project.rollouts.start("shop", 1, project.principal)
    yield project
    project.close()


def candidate(project: Project, rows: pa.Table, *, seed: int = 0, noise: float = 0.0) -> Candidate:
    """A model of these rows, of whose labels a share was turned round."""
    samples = project.services.samples("purchase", rows)
    random = np.random.default_rng(seed)
    labels = np.where(random.random(len(samples.labels)) < noise, 1 - samples.labels, samples.labels)
    categories = [field.kind == "category" for field in samples.signature.fields]
    model = HistGradientBoostingClassifier(categorical_features=categories, random_state=seed)
    return Candidate(model.fit(samples.matrix, labels, samples.weights), samples)


def test_candidate_and_champion_are_compared_on_the_same_rows(project: Project) -> None:
    """Both values are those of these rows; a model that learned from noise is surely worse."""
    past, last = split_by_time(project.services.dataset("visits", NOON), "visited_at", WEEK, NOON)
    equal = project.services.challenge("purchase", candidate(project, past), last)
    scores = candidate(project, past).model.predict_proba(project.services.samples("purchase", last).matrix)[:, 1]
    assert equal["rows"] == len(last)
    assert equal["candidate"] == auc(scores, project.services.samples("purchase", last).labels)
    assert equal["champion"] == project.services.champion_metrics("purchase", last)["auc"]
    assert equal["lower"] <= equal["difference"] <= equal["upper"]
    bad = project.services.challenge("purchase", candidate(project, past, noise=0.45), last)
    assert bad["upper"] < -0.02
    for found, verdict in ((equal, Verdict.PASS), (bad, Verdict.FAIL)):
        judged = gate.function(
            {"auc": found["candidate"]}, {"auc": 0.5}, beat_champion_in="auc", margin=-0.02, challenge=found
        )
        assert isinstance(judged, Judgement)
        assert judged.verdict is verdict
        assert f"on the same {len(last)} rows" in judged.reasons[1]
        assert judged.evidence["challenge"] == found
    with pytest.raises(InvalidInput, match="not compared by 'f1'"):
        project.services.challenge("purchase", candidate(project, past), last, metric="f1")


def test_few_rows_cannot_tell_and_register_nothing(project: Project) -> None:
    """Where the interval lies on both sides of the margin it is inconclusive, though the value is above."""
    past, last = split_by_time(project.services.dataset("visits", NOON), "visited_at", WEEK, NOON)
    found = project.services.challenge("purchase", candidate(project, past, noise=0.1), last.slice(0, 60))
    judged = gate.function({"auc": 0.9}, {"auc": 0.5}, beat_champion_in="auc", margin=0.0, challenge=found)
    assert found["lower"] < 0 < found["upper"]
    assert judged.verdict is Verdict.INCONCLUSIVE


def test_without_a_champion_nothing_is_compared(tmp_path: Path) -> None:
    """The first version has nothing to beat."""
    write_template("minimal", tmp_path / "new")
    with closing(Project(tmp_path / "new", clock=ManualClock(NOON), environment={})) as project:
        past, last = split_by_time(project.services.dataset("visits", NOON), "visited_at", WEEK, NOON)
        assert project.services.challenge("purchase", candidate(project, past), last) == {}
    assert gate.function({"auc": 0.9}, {"auc": 0.5}, beat_champion_in="auc", challenge={}).verdict is Verdict.PASS


def test_a_window_of_the_history_reaches_the_model_with_its_weights(project: Project) -> None:
    """Through samples, which keep no weight among the features; without a window no row is weighed."""
    services = project.services
    every = services.dataset("visits", NOON)
    newest = services.dataset("visits", NOON, {"length": "14d"})
    assert 0 < len(newest) < len(every)
    weighed = services.samples("purchase", services.dataset("visits", NOON, {"half_life": "10d"}))
    assert weighed.weights is not None
    assert (weighed.weights.min() < 0.05, weighed.weights.max() > 0.9) == (True, True)
    assert weighed.table.column_names == ["pages", "minutes", "channel", "bought"]
    assert services.samples("purchase", every).weights is None


@pytest.mark.parametrize("window", [pytest.param({"length": "30d"}, marks=pytest.mark.long), {"half_life": "20d"}])
def test_the_example_pipelines_learn_from_a_window(project: Project, window: dict[str, str]) -> None:
    """As a parameter; the version is another one than that of all history."""
    run = project.pipelines.run("training", {"as_of": NOON, "window": window}, run_id="windowed")
    assert run.verdict == "pass"
    made = project.models.get("purchase", 2)
    assert made.bundle != project.models.get("purchase", 1).bundle
    assert find_run(project.records, "windowed") is not None


def test_a_window_needs_to_know_when_rows_happened(tmp_path: Path) -> None:
    """With the setting that says so."""
    write_template("minimal", tmp_path / "plain")
    file = tmp_path / "plain" / "modelyard.yaml"
    file.write_text(file.read_text().replace("    event_time: visited_at\n", ""))
    project = Project(tmp_path / "plain", clock=ManualClock(NOON), environment={})
    with closing(project), pytest.raises(InvalidInput, match="names no event_time"):
        project.services.dataset("visits", NOON, {"length": "1d"})


def test_new_rows_are_those_that_became_known_in_between(project: Project) -> None:
    """By when their label was known; the same question reads nothing again."""
    count = NewRows(project.file, project.datasets)
    since = NOON - timedelta(days=10)
    known = project.services.dataset("visits", NOON).column("known_at").to_pylist()
    assert count("purchase", since, NOON) == sum(since < each <= NOON for each in known) > 0
    assert count("purchase", NOON, NOON) == 0
    (project.file.folder / "data.py").unlink()
    assert count("purchase", NOON, NOON) == 0


def test_rows_without_times_cannot_be_told_new_from_old(tmp_path: Path) -> None:
    """None, which no trigger counts as many."""
    write_template("minimal", tmp_path / "plain")
    file = tmp_path / "plain" / "modelyard.yaml"
    text = file.read_text().replace("    event_time: visited_at\n", "").replace("    known_at: known_at\n", "")
    file.write_text(text)
    with closing(Project(tmp_path / "plain", clock=ManualClock(NOON), environment={})) as project:
        assert NewRows(project.file, project.datasets)("purchase", datetime(2026, 1, 1, tzinfo=UTC), NOON) is None
