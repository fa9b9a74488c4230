"""The governance report of a real workspace: what was done is found where it was done, and never before."""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from tests.conftest import DECLARED

from modelyard.access import Principal, Role
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import ManualClock
from modelyard.core.signing import make_key_pair
from modelyard.governance import Evidence
from modelyard.operations.evidence import collect, in_production
from modelyard.storage import Document
from modelyard.storage.drivers.sql import SqlSnapshot
from modelyard.wiring import Project

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # MLflow's and its dependencies' own
]

Command = Callable[..., tuple[int, Any]]
ANA = Principal("ana", (Role.APPROVER,), "key")


@pytest.fixture
def maturity(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shop: Path) -> Command:
    """Runs `modelyard maturity ... --json` in the shop: exit code and document."""

    def command(*words: object) -> tuple[int, Any]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "maturity", *map(str, words), "--project", str(shop), "--json"])
        code = run(root)
        return code, json.loads(capsys.readouterr().out)

    return command


def opened(shop: Path, clock: ManualClock, principal: Principal | None = None) -> Project:
    """The project, at noon."""
    return Project(shop, clock=clock, environment={}, principal=principal)


def found(project: Project) -> dict[str, tuple[int, int | None]]:
    """What was observed of each fact: how many, and of how many."""
    evidence = collect(project, in_production(project))
    assert all(isinstance(each, Evidence) and each.what for each in evidence)
    return {each.fact: (each.count, each.of) for each in evidence if each.kind == "observed" and each.count}


def test_what_a_pipeline_did_is_evidence_and_nothing_else_is(shop: Path, clock: ManualClock) -> None:
    """A run that read, checked, trained and registered; nothing is in production, watched or signed yet."""
    project = opened(shop, clock)
    assert found(project) == {
        "data.known": (1, None),
        "data.checked": (1, None),
        "pipelines.passed": (1, None),
        "pipelines.repeated": (1, None),
        "tracking.runs": (1, 1),
        "registry.versions": (1, 1),
        "audit.entries": (1, None),
    }
    project.close()


def test_care_is_seen_when_it_was_taken(shop: Path, clock: ManualClock) -> None:
    """Approved by somebody else, promoted, signed: each counts from then on, and an approval after its expiry too."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\nsecurity: {approvals: {production: {required: 1}}}\n")
    make_key_pair(shop / ".modelyard" / "keys")
    project = opened(shop, clock)
    version = project.models.get("purchase", 1)
    project.approvals.approve(version, "production", ANA)
    project.promotions.promote("purchase", 1, "production", project.principal)
    project.checkpoints.write()
    (live,) = in_production(project)
    assert (live.model, live.version, live.reviewed_by, live.watched_by) == ("purchase", 1, ("ana",), ())
    told = found(project)
    assert told["deployment.routes"] == (1, 1)
    assert told["deployment.promotions"] == (1, None)
    assert told["registry.approved"] == told["registry.gated"] == told["tracking.production"] == (1, 1)
    assert told["audit.signed"][0] == told["audit.entries"][0] >= 3
    assert "audit.bundles" not in told
    clock.advance(timedelta(days=40))
    assert in_production(project)[0].reviewed_by == ("ana",)
    project.close()


def test_what_one_approved_oneself_is_no_review(shop: Path, clock: ManualClock) -> None:
    """Nor what another bundle was approved for, or an approval that a request made one's own afterwards."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\nsecurity: {approvals: {production: {required: 0}}}\n")
    project = opened(shop, clock)
    version = project.models.get("purchase", 1)
    project.promotions.promote("purchase", 1, "production", project.principal)
    project.approvals.approve(version, "production", ANA)
    assert in_production(project)[0].reviewed_by == ("ana",)
    project.approvals.request(version, "production", ANA)
    assert in_production(project)[0].reviewed_by == ()
    project.close()


def test_a_record_that_somebody_changed_is_no_evidence(shop: Path, clock: ManualClock) -> None:
    """However many entries it has."""
    project = opened(shop, clock)
    with project.records.transaction() as tx:
        tx.append("audit", {"at": "2026-01-05", "action": "model.promote"})
    assert "audit.entries" not in found(project)
    project.close()


def test_what_a_checkpoint_vouches_for_is_not_read_again(shop: Path, clock: ManualClock) -> None:
    """All entries count, and from which one they were read is said; the first time they are read from the first."""
    make_key_pair(shop / ".modelyard" / "keys")
    project = opened(shop, clock)

    def told() -> Evidence:
        return next(each for each in collect(project, in_production(project)) if each.fact == "audit.entries")

    before = told()
    assert before.what == "entries of an audit record that is whole"
    project.promotions.promote("purchase", 1, "production", project.principal)
    made = project.checkpoints.write()
    assert made is not None
    assert told().count == made.seq > before.count
    assert f"from entry {made.seq}," in told().what
    project.close()


def test_versions_are_counted_and_none_of_them_is_read(
    shop: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many statements, and as many documents handed over, with one version and with two hundred."""
    project, read, asked = opened(shop, clock), list[str](), list[str]()
    hand_over = SqlSnapshot._documents

    def handed(self: SqlSnapshot, *query: Any, **values: Any) -> list[Document]:
        found = hand_over(self, *query, **values)
        read.extend(each.kind for each in found)
        return found

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    monkeypatch.setattr(SqlSnapshot, "_documents", handed)
    with project.records.snapshot() as view:
        (trained,) = view.scan("model-version")
    costs = []
    for known, tracked in ((1, 1), (200, 101)):
        read.clear()
        asked.clear()
        event.listen(Engine, "before_cursor_execute", note)
        told = found(project)
        event.remove(Engine, "before_cursor_execute", note)
        costs.append((len(read), len(asked)))
        assert (told["tracking.runs"], told["registry.versions"]) == ((tracked, known), (known, known))
        with project.records.transaction() as tx:
            for number in range(2, 201):
                body = {**trained.body, "number": number, "run": trained.body["run"] if number % 2 == 0 else None}
                tx.put(trained.kind, f"purchase/{number:08d}", body)
    assert costs[0] == costs[1]
    assert "model-version" not in read
    project.close()


def test_the_command_tells_level_and_steps_and_writes_a_page(maturity: Command, tmp_path: Path) -> None:
    """It ends with 0 whatever the level; the page opens offline; a folder that is not there is said."""
    code, told = maturity("--html", tmp_path / "m.html")
    assert (code, told["level"], told["title"]) == (0, 0, "manual")
    names = [each["name"] for each in told["capabilities"]]
    assert names[:3] == ["data", "pipelines", "tracking"]
    (deployment,) = [each for each in told["capabilities"] if each["name"] == "deployment"]
    step = "modelyard model promote --name purchase --version 1 --stage production"
    assert deployment["steps"][0]["next"] == step
    assert "minimal: level 0, manual" in (tmp_path / "m.html").read_text()
    code, refused = maturity("--html", tmp_path / "nowhere" / "m.html")
    assert (code, refused["error"]["message"]) == (2, f"There is no folder {tmp_path / 'nowhere'}.")


def test_the_audit_ends_as_its_verdict_says(
    maturity: Command, shop: Path, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """6 while nothing is in production, 1 while what is there lacks something; trained at noon long ago, it is old."""
    declared = (shop / "modelyard.yaml").read_text()
    (shop / "modelyard.yaml").write_text(declared.replace(DECLARED, "\n"))
    code, told = maturity("--audit")
    assert (code, told["verdict"], told["models"]) == (6, "inconclusive", [])
    project = opened(shop, clock)
    project.promotions.promote("purchase", 1, "production", project.principal)
    project.close()
    capsys.readouterr()
    code, told = maturity("--audit")
    (purchase,) = told["models"]
    lacking = {each["what"]: each["why"] for each in purchase["lacking"]}
    assert (code, told["verdict"]) == (1, "fail")
    assert set(lacking) == {"review", "card", "monitor", "owner", "retraining"}
    assert lacking["monitor"] == "no monitor has judged a window of shop"
    (shop / "modelyard.yaml").write_text(f"{declared}\ngovernance: {{recent: 36500d}}\n")
    left = {each["what"] for each in maturity("--audit")[1]["models"][0]["lacking"]}
    assert left == {"review", "monitor"}
