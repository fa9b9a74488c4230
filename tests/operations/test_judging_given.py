"""Who judges an answer of the log sees what it rested on: what that person may read, as guards left it, now."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from modelyard.access import Principal, Role
from modelyard.cli.root import root
from modelyard.core import json_text, to_micros
from modelyard.journal import Generated, Journal, PredictionRecord
from modelyard.operations import carry_out, judging
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.indexes import build
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.operations.registering import Register, register
from modelyard.operations.retrieving import RegisterIndex, WithdrawSources, register_index, withdraw_sources
from modelyard.retrieval import CHUNKS_FILE, Chunk, Cutting
from modelyard.wiring import Project

from ..tiny_embedder import build_tiny

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

FILE = """
project: desk
upstreams: {one: {url: 'http://127.0.0.1:1/v1'}}
deployments: {desk: {model: desk@production, serving: {log_text: LOGGED}}}
"""
TEXTS = {
    "fox.md": "Brown foxes jump over lazy dogs.",
    "hen.md": "Ask hen@example.com of hens.",
    "key.md": "The cloud has AKIAIOSFODNN7EXAMPLE.",
    "old.md": "An old oak stands in the garden.",
    "staff/board.md": "The board meets in the cellar.",
}
ANN, BOB = (
    Principal(name, (Role.DEVELOPER,), "key", (), groups) for name, groups in (("ann", ()), ("bob", ("board",)))
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_tables: Path) -> Path:
    """A project with an application that refuses secrets, over an index of five documents, one the board's."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "modelyard.yaml").write_text(FILE.replace("LOGGED", "redacted"))
    (folder / ".modelyard").mkdir()
    (folder / ".modelyard" / "mlflow.db").write_bytes(mlflow_tables.read_bytes())
    for name, text in TEXTS.items():
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_text(text + "\n")
    (folder / "resting.txt").write_text("Answer by these: {{context}}")
    (folder / "guards.yaml").write_text("guards:\n  - {guard: secrets, action: refuse}\n")
    bundle = build_tiny(folder / "tiny")
    build(folder / "library", [folder / "docs"], bundle, cutting=Cutting(400, 0), rules=("staff/*=board",))
    project = Project(folder)
    carry_out(register, project, Register(name="tiny", bundle=bundle, metrics='{"worst_angle": 0.01}'))
    carry_out(register_index, project, RegisterIndex("docs", folder / "library"))
    carry_out(register_prompt, project, RegisterPrompt("resting", folder / "resting.txt"))
    given = RegisterApplication(
        "desk", ("one/m",), prompt="prompts:/resting/1", guards=str(folder / "guards.yaml"), index="docs/1",
        embedder="tiny/1",
    )  # fmt: skip
    carry_out(register_application, project, given)
    logged(project)
    project.close()
    return folder


@pytest.fixture
def project(made: Path) -> Iterator[Project]:
    """The same, as a new process opens it."""
    opened = Project(made)
    yield opened
    opened.close()


def logged(project: Project) -> None:
    """Four answers: on all chunks; of an index that is not that version's; of a version that is gone; on nothing."""
    index = project.models.get("docs", "1")
    chunks = msgspec.json.decode(project.models.bundle_file(index, CHUNKS_FILE) or b"", type=list[Chunk])
    ids = tuple(each.id for each in sorted(chunks, key=lambda each: each.source, reverse=True))
    at, journal = to_micros(project.clock.now()), Journal(project.journal_folder, "server-1", project.clock)
    told = (
        ("all", "1", index.bundle, ids),
        ("other", "1", "0" * 64, ids),
        ("gone", "9", index.bundle, ids),
        ("none", "1", "", ()),
    )
    for name, version, digest, rested in told:
        asked = json.dumps([{"role": "user", "content": name}])
        made = Generated(upstream="one", model="m", asked=asked, said="Said.", index=str(digest), chunks=rested)
        record = PredictionRecord(
            name, at, "desk", 1, version, "live", "live", True, name, (), "stop", (), 9,
            generated=msgspec.json.encode(made).decode(),
        )  # fmt: skip
        journal.append([record])
    journal.close()


def shown(project: Project, queue: str, who: Principal) -> dict[str, Any]:
    """By what was asked: what somebody is shown of every answer that the queue takes from the log."""
    carry_out(judging.queue_answers, project, judging.QueueAnswers(queue, from_log="desk"))
    found: dict[str, Any] = {}
    while (
        item := carry_out(judging.next_answer, project, judging.NextAnswer(queue), principal=who)["item"]
    ) is not None:
        found[item["question"]] = item
        carry_out(judging.label_answer, project, judging.LabelAnswer(queue, item["item"], "pass"), principal=who)
    return found


def test_an_answer_is_shown_with_what_it_rested_on(project: Project) -> None:
    """Best first, of the very index: what only the board may read is for who is on it, personal data were taken out,
    a text that the guards refuse never was there, and nobody learns of sources.
    """
    ann, bob = (shown(project, "one", who) for who in (ANN, BOB))
    everybody = [TEXTS["old.md"], "Ask [EMAIL] of hens.", TEXTS["fox.md"]]
    assert (ann["all"]["chunks"], ann["all"]["hidden"]) == (everybody, 1)
    assert (bob["all"]["chunks"], bob["all"]["hidden"]) == ([TEXTS["staff/board.md"], *everybody], 0)
    assert {name: (each["chunks"], each["hidden"]) for name, each in ann.items() if name != "all"} == {
        "other": ([], 0), "gone": ([], 0), "none": ([], 0),
    }  # fmt: skip
    assert [each for each in ("fox.md", "docs", "AKIA", "cellar") if each in json_text(ann)] == []


def test_the_command_line_shows_it_too(project: Project, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text by text, and how many are left out: who runs it is in no group."""
    monkeypatch.chdir(made)
    item = shown(project, "two", ANN)["all"]["item"]
    told = CliRunner().invoke(root, ["llm", "next", "two", "--item", item]).stdout
    assert "[chunk 3]\nBrown foxes" in told
    assert "1 more of what it was given you may not read" in told
    assert "cellar" not in told


def test_texts_that_are_kept_in_full_are_shown_as_the_guards_left_them(made: Path) -> None:
    """Personal data then stand there as in the log; what the application refuses does not."""
    (made / "modelyard.yaml").write_text(FILE.replace("LOGGED", "full"))
    opened = Project(made)
    try:
        texts = shown(opened, "whole", BOB)["all"]["chunks"]
    finally:
        opened.close()
        (made / "modelyard.yaml").write_text(FILE.replace("LOGGED", "redacted"))
    assert TEXTS["hen.md"] in texts
    assert "AKIA" not in json_text(texts)


def test_what_is_withdrawn_does_not_come_back(project: Project) -> None:
    """Neither in a queue that has it already, nor in a new one; the same log may be queued again all the same."""
    item = shown(project, "kept", ANN)["all"]["item"]
    carry_out(withdraw_sources, project, WithdrawSources("docs", ("old.md",), reason="it is wrong"))
    after = carry_out(judging.next_answer, project, judging.NextAnswer("kept", item), principal=ANN)["item"]
    assert (TEXTS["old.md"] in after["chunks"], after["hidden"]) == (False, 2)
    again = carry_out(judging.queue_answers, project, judging.QueueAnswers("kept", from_log="desk"))
    assert (again["new"], again["items"]) == (0, 4)
    fresh = shown(project, "fresh", BOB)
    assert TEXTS["old.md"] not in json_text(fresh)
    assert fresh["all"]["hidden"] == 0  # it was not even taken
