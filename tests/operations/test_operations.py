"""What commands do, asked for as the command line asks: an operation, a project, an input."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.access import KeyRing, Principal, Role, load_pepper
from modelyard.access.errors import PermissionDenied
from modelyard.core import Conflict, InvalidInput, Judgement, ManualClock, ModelyardError, NotFound, SeededIds, Verdict
from modelyard.monitoring import FeatureDrift, Window
from modelyard.operations import (
    Operation,
    approving,
    audits,
    carry_out,
    definitions,
    deployments,
    keys,
    logs,
    loop,
    models,
    monitors,
    online,
    pipelines,
    promotions,
    registering,
    workspace,
    write_template,
)
from modelyard.operations.contract import Nothing
from modelyard.pipelines import InvalidPipeline
from modelyard.registry import NotServable
from modelyard.rollout import NoRollout
from modelyard.tracking import RegisteredModels, Shown, Tracker, TrackingUnavailable
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

OPERATIONS: list[Operation[Any]] = [
    each
    for room in (
        approving,
        definitions,
        deployments,
        keys,
        loop,
        models,
        pipelines,
        promotions,
        registering,
        online,
        workspace,
    )
    for each in vars(room).values()
    if isinstance(each, Operation)
]


@pytest.fixture
def project(shop: Path, clock: ManualClock) -> Iterator[Project]:
    """A project with version 1 of `purchase`, not yet deployed."""
    project = Project(shop, clock=clock, ids=SeededIds(1), environment={})
    yield project
    project.close()


def another_version(project: Project, verdict: Verdict = Verdict.PASS) -> int:
    """One more version, with the bundle of the first."""
    first = project.models.get("purchase", 1)
    assert first.source is not None
    assert first.run is not None
    assert first.bundle is not None
    folder = project.models.fetch_bundle(first, project.workspace / f"again-{len(project.models.versions())}")
    return project.models.register(
        "purchase", principal=project.principal, source=first.source, run=first.run, bundle=folder,
        digest=first.bundle, gates=[Judgement(verdict)],
    ).number  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_nobody_without_a_role_may_do_anything(operation: Operation[Any], project: Project) -> None:
    """Every operation has a policy that is asked first; even reading takes a role."""
    nobody = Project(project.file.folder, clock=project.clock, ids=project.ids, principal=Principal("eve", (), "key"))
    with pytest.raises(PermissionDenied, match=r"eve \(no role\) may not"):
        carry_out(operation, nobody, None)


def test_a_viewer_reads_and_changes_nothing(project: Project) -> None:
    """Neither a rollout nor a key."""
    viewer = Project(
        project.file.folder, clock=project.clock, ids=project.ids, principal=Principal("v", (Role.VIEWER,), "key")
    )
    assert carry_out(workspace.show_config, viewer, Nothing())
    changing: list[Operation[Any]] = [deployments.start_rollout, promotions.promote, keys.create_key, loop.tick]
    for operation in changing:
        with pytest.raises(PermissionDenied):
            carry_out(operation, viewer, None)


class TestTemplates:
    """`init` writes a project, and never over anything."""

    def test_what_is_written_is_what_is_told(self, tmp_path: Path) -> None:
        """Every file of the template, and nothing that running it left behind."""
        told = write_template("minimal", tmp_path / "größe" / "neu")
        written = [each for each in (tmp_path / "größe" / "neu").rglob("*") if each.is_file()]
        assert told == sorted(each.name for each in written) == ["data.py", "modelyard.yaml", "training.py"]

    def test_a_file_of_ones_own_is_never_overwritten(self, tmp_path: Path) -> None:
        """`init .` in a folder with a data.py of its own is refused, and changes nothing."""
        (tmp_path / "data.py").write_text("precious = True\n")
        with pytest.raises(Conflict, match=r"would overwrite: data\.py"):
            write_template("minimal", tmp_path)
        assert [each.name for each in tmp_path.iterdir()] == ["data.py"]
        assert (tmp_path / "data.py").read_text() == "precious = True\n"

    def test_a_place_that_is_no_folder_and_a_template_that_is_none(self, tmp_path: Path) -> None:
        """Errors of ours, with what there is."""
        (tmp_path / "file").write_text("")
        with pytest.raises(InvalidInput, match="Cannot write to"):
            write_template("minimal", tmp_path / "file")
        for name in ("minimla", "../minimal", ""):
            with pytest.raises(NotFound, match="There are: flights, injections, minimal"):
                write_template(name, tmp_path / "new")
        with pytest.raises(Conflict, match="exists already"):
            write_template("minimal", tmp_path / "new") and write_template("minimal", tmp_path / "new")


class TestModels:
    """Versions, where they stand, and bringing them there."""

    def test_promoting_to_a_followed_alias_deploys(self, project: Project) -> None:
        """The alias moves with the deployment, and the version says that it holds it."""
        (event,) = carry_out(promotions.promote, project, promotions.Promote("purchase", "1", "Production"))
        assert (event["kind"], event["deployment"]) == ("deployed", "shop")
        (listed,) = carry_out(models.list_models, project, models.ListModels(stage="PRODUCTION"))
        assert listed["aliases"] == ["production"]
        assert carry_out(models.show_model, project, models.OneVersion("purchase"))["number"] == 1
        assert carry_out(models.list_models, project, models.ListModels("purchase", "staging")) == []

    def test_promoting_to_an_alias_that_nothing_follows_moves_it_at_once(self, project: Project) -> None:
        """On record, in the audit, and shown in MLflow."""
        (event,) = carry_out(promotions.promote, project, promotions.Promote("purchase", "v1", "Staging"))
        assert (event["kind"], event["version"], event["deployment"]) == ("promoted", 1, None)
        assert project.models.aliases("purchase") == {"staging": 1}
        shown = RegisteredModels(project.tracker).shown("purchase")
        assert shown == Shown({"staging": 1}, {1: "Staging"})
        assert project.audit.entries()[-1].body["action"] == "model.promote"
        (move,) = carry_out(models.model_history, project, models.History("purchase"))
        assert (move["alias"], move["from"], move["to"]) == ("staging", None, 1)
        assert project.audit.verify().intact

    def test_what_failed_its_gate_is_promoted_nowhere(self, project: Project) -> None:
        """Neither to a deployment nor to an alias alone."""
        failed = another_version(project, Verdict.FAIL)
        for stage in ("production", "staging"):
            with pytest.raises(NotServable, match="gate did not pass"):
                carry_out(promotions.promote, project, promotions.Promote("purchase", str(failed), stage))
        assert project.models.aliases("purchase") == {}

    @pytest.mark.parametrize(
        ("name", "version", "stage", "error"),
        [
            ("purchases", "1", "production", NotFound),
            ("purchase", "99", "staging", NotFound),
            ("purchase", "99", "production", NotFound),
            ("purchase", "1", "../up", InvalidInput),
            ("purchase", "1", "", InvalidInput),
            ("purchase", "1", "Archived", Conflict),
        ],
    )
    def test_what_cannot_be_promoted(
        self, project: Project, name: str, version: str, stage: str, error: type[ModelyardError]
    ) -> None:
        """No such model or version, no name for an alias, no stage to promote to."""
        with pytest.raises(error):
            carry_out(promotions.promote, project, promotions.Promote(name, version, stage))
        assert project.models.history("purchase") == []

    def test_rolling_back_brings_back_what_was_live(self, project: Project) -> None:
        """All deployments of the model; with nothing before, or nothing deployed, it is an error and never silence."""
        for version in ("1", str(another_version(project))):
            carry_out(promotions.promote, project, promotions.Promote("purchase", version))
        (event,) = carry_out(promotions.roll_back_model, project, promotions.RollBack("purchase", "schlechter"))
        assert (event["kind"], event["detail"]) == ("rolled_back", "schlechter")
        assert project.models.aliases("purchase") == {"production": 1}
        with pytest.raises(NotFound, match=r"There is no model 'purchas'.*Did you mean 'purchase'"):
            carry_out(promotions.roll_back_model, project, promotions.RollBack("purchas"))

    def test_rolling_back_a_model_that_nothing_follows_moves_the_alias_or_is_refused(self, project: Project) -> None:
        """Doing nothing must not look like having rolled back; with an earlier version the alias alone goes back."""
        project.settings.deployments.clear()
        for version in ("1", str(another_version(project))):
            with pytest.raises(NoRollout, match="nothing to roll back"):
                carry_out(promotions.roll_back_model, project, promotions.RollBack("purchase"))
            carry_out(promotions.promote, project, promotions.Promote("purchase", version))
        (event,) = carry_out(promotions.roll_back_model, project, promotions.RollBack("purchase"))
        assert (event["kind"], event["version"], event["deployment"]) == ("rolled_back", 1, None)
        assert project.models.aliases("purchase") == {"production": 1}

    def test_the_history_of_an_unknown_model_is_not_found(self, project: Project) -> None:
        """An empty list would say that it was never promoted."""
        assert carry_out(models.model_history, project, models.History("purchase")) == []
        with pytest.raises(NotFound, match="Did you mean 'purchase'"):
            carry_out(models.model_history, project, models.History("purchace"))


class TestRollouts:
    """Deployments by name."""

    def test_status_before_and_after_the_first_version(self, project: Project) -> None:
        """Nothing is an answer; an unknown deployment is not found."""
        one = deployments.OneDeployment("shop")
        assert carry_out(deployments.rollout_status, project, one) == {"route": None, "rollout": None, "progress": None}
        carry_out(deployments.start_rollout, project, deployments.StartRollout("shop", "1"))
        assert carry_out(deployments.rollout_status, project, one)["route"]["generation"] == 1
        assert [each["kind"] for each in carry_out(deployments.rollout_history, project, one)] == ["deployed"]
        for operation in (deployments.rollout_status, deployments.rollout_history):
            with pytest.raises(NoRollout, match="Did you mean 'shop'"):
                carry_out(operation, project, deployments.OneDeployment("shpo"))

    def test_an_unknown_strategy_gets_the_list(self, project: Project) -> None:
        """And starts nothing."""
        with pytest.raises(InvalidInput, match="Did you mean 'canary'"):
            carry_out(deployments.start_rollout, project, deployments.StartRollout("shop", "1", "canari"))
        with pytest.raises(NotFound):
            carry_out(deployments.roll_back, project, deployments.TakeBack("shop"))


class TestKeys:
    """API keys are shown once, and listed with their state."""

    def test_a_key_lives_from_creation_to_its_end(self, project: Project, clock: ManualClock) -> None:
        """The token authenticates; the list has no secret; expiry and revocation show."""
        made = carry_out(keys.create_key, project, keys.CreateKey("mobile", "service", ("shop",), "1d"))
        carry_out(keys.create_key, project, keys.CreateKey("web"))
        feed = project.feed.read()
        assert feed is not None
        ring = KeyRing(feed.keys, load_pepper(project.run_folder / "pepper"))
        assert ring.authenticate(made["key"], 0).deployments == ("shop",)  # type: ignore[arg-type]  # the beginning of time
        listed = {each["name"]: each for each in carry_out(keys.list_keys, project, Nothing())}
        assert made["key"] not in str(listed)
        assert {name: each["state"] for name, each in listed.items()} == {"mobile": "active", "web": "active"}
        clock.advance(timedelta(days=1))
        carry_out(keys.revoke_key, project, keys.RevokeKey(listed["web"]["key_id"]))
        states = {each["name"]: each["state"] for each in carry_out(keys.list_keys, project, Nothing())}
        assert states == {"mobile": "expired", "web": "revoked"}
        feed = project.feed.read()
        assert feed is not None
        assert [each.key_id for each in feed.keys] == [made["key_id"]]

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (keys.CreateKey("a b"), InvalidInput),
            (keys.CreateKey(""), InvalidInput),
            (keys.CreateKey("k", "root"), InvalidInput),
            (keys.CreateKey("k", deployment=("nowhere",)), NotFound),
            (keys.CreateKey("k", expires="0d"), InvalidInput),
            (keys.CreateKey("k", expires="99999d"), InvalidInput),
        ],
    )
    def test_a_key_that_makes_no_sense_is_not_made(
        self, project: Project, given: keys.CreateKey, error: type[ModelyardError]
    ) -> None:
        """Name, role, deployment, days."""
        with pytest.raises(error):
            carry_out(keys.create_key, project, given)
        assert carry_out(keys.list_keys, project, Nothing()) == []

    def test_an_unknown_key_is_not_revoked(self, project: Project) -> None:
        """And the answer says what there is."""
        with pytest.raises(NotFound, match="There are none"):
            carry_out(keys.revoke_key, project, keys.RevokeKey("abc"))


class TestLoop:
    """Pipelines, monitors, retraining."""

    @pytest.mark.parametrize(
        "text",
        ["no equals", "=3", "x=[", "x={a: ", "as_of=yesterday", "as_of=", "x=!!python/object:os.system {}", "x=.nan"],
    )
    def test_a_parameter_that_is_none_moves_the_alias_or_is_refused(self, project: Project, text: str) -> None:
        """Before anything runs."""
        with pytest.raises(InvalidInput):
            carry_out(pipelines.run_pipeline, project, pipelines.RunPipeline("training", (text,)))

    def test_parameters_are_numbers_truths_and_instants(self, project: Project) -> None:
        """YAML's spelling; a time without a zone is UTC; a gate that is not met stops the run."""
        given = ("min_auc=0.999", "as_of=2026-01-01")
        run = carry_out(pipelines.run_pipeline, project, pipelines.RunPipeline("training", given))
        assert (run["verdict"], run["state"]) == ("fail", "stopped")
        assert run["params"] == {
            "min_auc": 0.999,
            "as_of": str(datetime(2026, 1, 1, tzinfo=UTC)),
            "window": None,
        }
        assert len(project.models.versions("purchase")) == 1

    def test_unknown_pipelines_and_parameters_get_the_nearest(self, project: Project) -> None:
        """By name."""
        with pytest.raises(NotFound, match="Did you mean 'training'"):
            carry_out(pipelines.show_pipeline, project, pipelines.ShowPipeline("trainign"))
        with pytest.raises(InvalidPipeline, match="Did you mean 'min_auc'"):
            carry_out(pipelines.run_pipeline, project, pipelines.RunPipeline("training", ("min_acu=1",)))

    def test_a_pipeline_is_shown_without_running(self, project: Project) -> None:
        """Steps, needs, and a chart."""
        shown = carry_out(pipelines.show_pipeline, project, pipelines.ShowPipeline("training"))
        assert shown["steps"][0] == {"name": "load", "kind": "data", "needs": [], "waits_for": [], "when": []}
        assert shown["svg"].startswith("<svg")
        assert shown["mermaid"].startswith("flowchart TD")

    def test_the_pipeline_of_a_new_project_is_valid_even_strictly(self, project: Project) -> None:
        """No rule finds anything, and what is exported names its functions by file."""
        asked = pipelines.ValidatePipeline("training", strict=True)
        judged = carry_out(pipelines.validate_pipeline, project, asked)
        assert judged == {"pipeline": "training", "valid": True, "findings": []}
        document = carry_out(pipelines.export_pipeline, project, pipelines.ShowPipeline("training"))
        assert document["steps"][0]["function"] == "training.py:load"
        assert document["rollback"] == {"strategy": "previous-version"}

    @pytest.mark.parametrize("operation", [monitors.run_monitors, monitors.monitor_status], ids=lambda each: each.name)
    def test_a_deployment_that_nobody_watches_is_not_found(self, project: Project, operation: Operation[Any]) -> None:
        """With the nearest that is watched; one without windows has none."""
        with pytest.raises(NotFound, match="Did you mean 'shop'"):
            carry_out(operation, project, operation.input_type("shpo"))
        assert not carry_out(operation, project, operation.input_type("shop"))

    def test_retraining_by_hand_goes_as_far_as_it_can(self, project: Project) -> None:
        """From the trigger to the promotion, and the history tells it."""
        kinds = ["triggered", "training", "gated", "registered", "rollout", "promoted"]
        events = carry_out(loop.retrain, project, loop.Retrain("purchase", "zur Übung"))
        assert [each["kind"] for each in events] == kinds
        status = carry_out(loop.retrain_status, project, loop.Model("purchase"))
        assert (status["state"]["state"], [each["kind"] for each in status["history"]]) == ("idle", kinds)
        assert status["history"][0]["detail"] == "zur Übung"
        explained = carry_out(loop.explain, project, loop.Model("purchase"))
        assert explained["explanation"] == "Nothing calls for retraining."
        assert carry_out(loop.tick, project, Nothing()) == []
        with pytest.raises(NotFound, match="Did you mean 'purchase'"):
            carry_out(loop.retrain, project, loop.Retrain("purchaze"))


class TestWorkspace:
    """The workspace as a whole."""

    def test_a_healthy_workspace_has_no_bad_finding(self, project: Project) -> None:
        """Each check answers; those of the machine (its ports) may not be healthy here."""
        findings = {each["check"]: each for each in carry_out(workspace.doctor, project, Nothing())}
        assert {"record store", "artifact store", "audit", "unfinished changes", "clock", "disk"} <= set(findings)
        assert [name for name, each in findings.items() if not each["ok"] and "port" not in name] == []

    def test_a_store_that_is_down_is_a_finding_and_not_the_end(
        self, shop: Path, clock: ManualClock, tmp_path: Path
    ) -> None:
        """The other checks are made; whatever needs the record store says why it could not be."""
        environment = {"MODELYARD_STORES_RECORDS": f"sqlite:///{tmp_path}/no/such/folder/records.db"}
        (tmp_path / "no").write_text("a file where a folder should be")
        broken = Project(shop, clock=clock, environment=environment)
        findings = {each["check"]: each for each in carry_out(workspace.doctor, broken, Nothing())}
        bad = {name for name, each in findings.items() if not each["ok"] and "port" not in name}
        assert bad >= {"record store", "audit"}
        assert {"python", "disk", "artifact store"} <= set(findings) - bad
        assert all(findings[name]["remedy"] for name in bad)

    def test_a_changed_audit_record_is_found_by_doctor_and_verify(self, project: Project) -> None:
        """Somebody wrote to the database."""
        carry_out(promotions.promote, project, promotions.Promote("purchase", "1", "staging"))
        with project.records.transaction() as tx:
            tx.append("audit", {"hash": "0", "previous": "0"})
        assert carry_out(audits.audit_verify, project, audits.AuditVerify())["intact"] is False
        found = {each["check"]: each["ok"] for each in carry_out(workspace.doctor, project, Nothing())}
        assert found["audit"] is False

    def test_a_clock_behind_the_record_is_found(self, project: Project, clock: ManualClock) -> None:
        """As after a replay."""
        carry_out(promotions.promote, project, promotions.Promote("purchase", "1", "staging"))
        clock.set(clock.now() - timedelta(days=1))
        (found,) = [each for each in carry_out(workspace.doctor, project, Nothing()) if each["check"] == "clock"]
        assert found["ok"] is False

    @pytest.mark.parametrize(
        ("drifted", "p99", "bad"),
        [(3, 20.0, {"drift of shop"}), (2, 20.0, set()), (0, 350.0, {"latency of shop"}), (0, 200.0, set())],
    )
    def test_windows_tell_of_thresholds_and_of_slow_answers(
        self, project: Project, drifted: int, p99: float, bad: set[str]
    ) -> None:
        """All features at once rather point to the reference; an answer at its objective is in time."""
        features = tuple(
            FeatureDrift(f"f{at}", "number", 0, 0, 0, 0, 0, "fail" if at < drifted else "pass", "") for at in range(3)
        )
        start, end = "2026-01-05T00:00:00+00:00", "2026-01-12T00:00:00+00:00"
        window = Window("shop", "1", start, end, 100, 0, p99, 0, 0, features, 0, {}, {}, "pass", ())
        with project.records.transaction() as tx:
            tx.put("window", f"shop/{start}", msgspec.to_builtins(window))
        findings = [
            each for each in carry_out(workspace.doctor, project, Nothing()) if each["check"].endswith("of shop")
        ]
        assert len(findings) == 2
        assert {each["check"] for each in findings if not each["ok"]} == bad
        assert all("2026-01-12" in each["found"] and each["remedy"] for each in findings)

    @pytest.mark.parametrize(
        ("value", "ok"), [("true", True), ("1", True), ("false", False), (" 0", False), ("", False)]
    )
    def test_telemetry_that_is_switched_on_is_found(
        self, project: Project, value: str, ok: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also by an empty value, which MLflow takes as on."""
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", value)
        findings = {each["check"]: each["ok"] for each in carry_out(workspace.doctor, project, Nothing())}
        assert findings["MLFLOW_DISABLE_TELEMETRY"] is ok

    def test_status_names_what_is_live(self, project: Project) -> None:
        """Nothing at first."""
        assert carry_out(workspace.status, project, Nothing())["deployments"]["shop"]["live"] is None
        carry_out(promotions.promote, project, promotions.Promote("purchase", "1"))
        assert carry_out(workspace.status, project, Nothing())["deployments"]["shop"]["live"] == "1"

    def test_the_audit_record_is_read_page_by_page(self, project: Project) -> None:
        """A page of less than nothing is refused."""
        carry_out(promotions.promote, project, promotions.Promote("purchase", "1"))
        first = carry_out(audits.audit_list, project, audits.AuditPage(limit=1))
        rest = carry_out(audits.audit_list, project, audits.AuditPage(after=1))
        assert [each["number"] for each in (*first, *rest)] == [1, 2]
        for page in (audits.AuditPage(after=-1), audits.AuditPage(limit=0), audits.AuditPage(limit=-1)):
            with pytest.raises(InvalidInput):
                carry_out(audits.audit_list, project, page)

    def test_the_log_of_an_unknown_deployment_is_not_found(self, project: Project) -> None:
        """One without requests has zeros, and no version."""
        stats = carry_out(logs.log_stats, project, logs.LogOf("shop"))
        assert (stats["records"], stats["truths"], stats["outcomes"], stats["versions"]) == (0, 0, 0, {})
        with pytest.raises(NoRollout):
            carry_out(logs.log_stats, project, logs.LogOf("shpo"))

    def test_features_of_a_project_without_any(self, project: Project) -> None:
        """An empty list; a view that nobody defined is not found."""
        assert carry_out(definitions.list_features, project, Nothing()) == []
        assert carry_out(online.materialize, project, online.Materialize()) == []
        with pytest.raises(NotFound, match="no feature view 'weather'"):
            carry_out(online.materialize, project, online.Materialize("weather"))


def test_mlflow_that_is_down_keeps_nobody_from_reading(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What plain clients changed there is noticed when it answers again."""

    def down(*_: object) -> None:
        raise TrackingUnavailable("MLflow is down.")

    monkeypatch.setattr(Tracker, "ask", down)
    assert [each["number"] for each in carry_out(models.list_models, project, models.ListModels())] == [1]
    assert carry_out(models.model_history, project, models.History("purchase")) == []


def test_reading_asks_nothing_of_mlflow(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, lists and rollbacks work without, as long as nobody has changed its file since the last look."""
    for version in ("1", str(another_version(project))):
        carry_out(promotions.promote, project, promotions.Promote("purchase", version))
    carry_out(models.list_models, project, models.ListModels())

    def down(*_: object) -> None:
        raise AssertionError("MLflow was asked")

    monkeypatch.setattr(Tracker, "ask", down)
    carry_out(workspace.status, project, Nothing())
    carry_out(models.list_models, project, models.ListModels())
    (event,) = carry_out(promotions.roll_back_model, project, promotions.RollBack("purchase"))
    assert event["kind"] == "rolled_back"


def test_a_new_project_is_named_after_its_folder(tmp_path: Path) -> None:
    """Unless no project can be called so: then it keeps the template's name."""
    names = {}
    for folder in ("shop", "my shop"):
        write_template("minimal", tmp_path / folder, project=folder)
        names[folder] = Project(tmp_path / folder, environment={}).settings.project
    assert names == {"shop": "shop", "my shop": "minimal"}
