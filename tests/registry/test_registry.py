"""The registry with real MLflow: numbers from there, decisions from here, aliases shown there."""

from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from modelyard.access import local_principal
from modelyard.audit import AuditLog
from modelyard.bundling import BuiltBundle
from modelyard.core import InvalidInput, Judgement, ManualClock, Verdict
from modelyard.inference import verify_bundle
from modelyard.registry import AlreadyRegistered, ModelVersion, ModelVersionNotFound, Projector, Registry
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import RegisteredModels, Tracker

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An MLflow store on SQLite."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture(scope="module")
def registry(uri: str, tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Registry:
    """A registry with two versions of one model."""
    folder = tmp_path_factory.mktemp("registry")
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    clock = ManualClock(BEGIN)
    tracker = Tracker(uri, (folder / "mlartifacts").as_uri(), clock)
    tracked = RegisteredModels(tracker)
    registry = Registry(records, AuditLog(records, clock), open_artifact_store(folder / "artifacts"), tracked, clock)
    model = HistGradientBoostingClassifier(max_iter=2).fit([[0.0], [1.0]] * 20, [0, 1] * 20)
    for label in ("v1.0", "v2.0"):
        with tracker.run("fraud", f"train {label}", {"team": "risk"}) as run:
            run.log(params={"max_iter": 2}, metrics={"auc": 0.9})
            source = run.log_model(model, [[0.0], [1.0]])
            register(registry, built, label, source, run.id)
    return registry


def register(registry: Registry, built: BuiltBundle, label: str, source: str, run: str) -> ModelVersion:
    """Register a logged model under a label."""
    return registry.register(
        "fraud",
        principal=local_principal(),
        source=source,
        run=run,
        bundle=built.path,
        digest=built.digest,
        label=label,
        metrics={"auc": 0.9},
        gates=[Judgement(Verdict.PASS, ("auc .9",))],
    )


def test_a_plain_mlflow_client_sees_the_versions_and_their_runs(registry: Registry, uri: str) -> None:
    """Numbers, runs with parameters and metrics, and a model that loads."""
    client = mlflow.MlflowClient(uri, uri)
    versions = {int(each.version): each for each in client.search_model_versions("name='fraud'")}
    assert set(versions) == {1, 2}
    run = client.get_run(str(versions[1].run_id))
    assert (run.info.status, run.data.params, run.data.metrics) == ("FINISHED", {"max_iter": "2"}, {"auc": 0.9})
    mlflow.set_tracking_uri(uri)
    assert list(mlflow.sklearn.load_model(versions[2].source).predict([[1.0]])) == [1]


def test_a_version_is_found_by_number_label_and_alias(registry: Registry) -> None:
    """And a misspelt one gets the nearest names."""
    with registry.records.transaction() as tx:
        registry.move_alias(tx, "fraud", "production", 2, local_principal(), "test")
    assert {registry.get("fraud", each).number for each in ("2", "v2.0", "production", "Production", 2)} == {2}
    assert [each.number for each in registry.versions("fraud", stage="Production")] == [2]
    for reference in ("fraud/2", "fraud@production", "models:/fraud/2", "models:/fraud@production"):
        assert registry.at(reference).number == 2
    for nothing in ("fraud", "models:/fraud", "@production", "", "x" * 10_000):
        with pytest.raises(InvalidInput, match="names no version"):
            registry.at(nothing)
    with pytest.raises(ModelVersionNotFound, match="Did you mean 'production'"):
        registry.get("fraud", "producton")
    with pytest.raises(ModelVersionNotFound, match="Did you mean 'fraud'"):
        registry.get("frauds", "1")


def test_aliases_are_shown_in_mlflow(registry: Registry, uri: str) -> None:
    """Moved, and removed; with the stage that goes with them, and the archive for who was followed."""
    client = mlflow.MlflowClient(uri, uri)
    projector = Projector(registry.records, RegisteredModels(Tracker(uri, "", ManualClock(BEGIN))))
    with registry.records.transaction() as tx:
        registry.move_alias(tx, "fraud", "production", 2, local_principal(), "test")
    for to in (1, 2, None):
        with registry.records.transaction() as tx:
            registry.move_alias(tx, "fraud", "production", to, local_principal(), "test")
        note = projector.project("fraud")
        with registry.records.transaction() as tx:
            assert note(tx)
        shown = {alias: int(version) for alias, version in client.get_registered_model("fraud").aliases.items()}
        assert shown == ({"production": to} if to else {})
        stages = {int(each.version): each.current_stage for each in client.search_model_versions("name='fraud'")}
        assert stages == {None: {1: "Archived", 2: "None"}, 1: {1: "Production", 2: "Archived"}}.get(
            to, {1: "Archived", 2: "Production"}
        )
    assert [move.to for move in registry.history("fraud")][-3:] == [1, 2, None]


def test_a_bundle_comes_back_as_it_was(registry: Registry, built: BuiltBundle, tmp_path: Path) -> None:
    """Through the artifact store, with its digest."""
    folder = registry.fetch_bundle(registry.get("fraud", 1), tmp_path / "bundle")
    assert verify_bundle(folder, expect=built.digest)[1] == built.digest


def test_a_label_is_taken_once_and_names_are_names(registry: Registry, built: BuiltBundle) -> None:
    """It is an error to take it twice, and no path ever names a model."""
    with pytest.raises(AlreadyRegistered, match="already registered"):
        register(registry, built, "v1.0", "x", "y")
    with pytest.raises(InvalidInput, match="cannot name a version"):
        register(registry, built, "../up", "x", "y")
