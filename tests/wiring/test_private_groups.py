"""Cases of groups are asked of a private server by keys that no other server knows, and see what these may read."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.core import InvalidInput, Unavailable
from modelyard.llm.answers import AnswerSuite, Gateway, ask_suite, read_answer_suite
from modelyard.operations import carry_out
from modelyard.operations.answering import AnswerEvaluation, evaluate_answers
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.indexes import build
from modelyard.operations.keys import CreateKey, create_key
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.operations.registering import Register, register
from modelyard.operations.retrieving import RegisterIndex, register_index
from modelyard.retrieval import Cutting
from modelyard.testing import faulty_upstream
from modelyard.wiring import Manner, Project, served_privately

from ..tiny_embedder import build_tiny

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

READ = {"fox": {"fox.md"}, "board": {"fox.md", "staff/board.md"}, "both": {"fox.md", "pay/list.md", "staff/board.md"}}
"""What each case may find, of all that there is."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mlflow_tables: Path) -> Iterator[Project]:
    """An application over three documents, each for other groups to read."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / ".modelyard").mkdir()
    (folder / ".modelyard" / "mlflow.db").write_bytes(mlflow_tables.read_bytes())
    for name in READ["both"]:
        (folder / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / name).write_text(f"Where the staff meets: see {name}.\n")
    (folder / "resting.txt").write_text("Answer by these: {{context}}")
    bundle = build_tiny(folder / "tiny")
    rules = ("staff/*=board", "pay/*=hr")
    build(folder / "library", [folder / "docs"], bundle, cutting=Cutting(400, 0), rules=rules)
    with faulty_upstream() as upstream:
        (folder / "modelyard.yaml").write_text(f"project: desk\nupstreams: {{here: {{url: '{upstream.url}'}}}}\n")
        made = Project(folder)
        carry_out(register, made, Register(name="tiny", bundle=bundle, metrics='{"worst_angle": 0.01}'))
        carry_out(register_index, made, RegisterIndex("docs", folder / "library"))
        carry_out(register_prompt, made, RegisterPrompt("resting", folder / "resting.txt"))
        given = RegisterApplication(
            "desk", ("here/answer",), prompt="prompts:/resting/1", index="docs/1", embedder="tiny/1", max_tokens=50
        )
        carry_out(register_application, made, given)
        yield made
        made.close()


def suite_at(path: Path, **groups: list[str]) -> Path:
    """A suite of one question, asked by these."""
    cases = [{"id": name, "question": "Where does the staff meet?", "groups": each} for name, each in groups.items()]
    path.write_text(json.dumps({"kind": "answers", "suite": "s", "version": "1", "cases": cases}))
    return path


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Asked by everybody, by the board, and by who is on it and in another group besides, in either order."""
    return suite_at(tmp_path / "suite.json", fox=[], board=["board"], both=["board", "hr"], again=["hr", "board"])


def test_a_case_sees_what_its_groups_may_read(project: Project, suite: Path) -> None:
    """Of the version and of the one that it is compared with; nothing of it is left in the project."""
    before, feed = {each.name for each in project.workspace.iterdir()}, project.feed.read()
    given = AnswerEvaluation(suite=suite, application="desk", version="1", baseline="desk/1", at_once=2)
    found = evaluate_answers(given, project)
    for answers in (found["answers"], found["baseline"]["answers"]):
        read = {each["case"]: {chunk["source"] for chunk in each["retrieved"]} for each in answers}
        assert read == {**READ, "again": READ["both"]}
    assert found["metrics"]["errors"]["value"] == 0
    assert {each.name for each in project.workspace.iterdir()} == before
    assert project.feed.read() == feed


def test_nobody_else_is_answered_and_its_keys_open_nothing_else(project: Project, suite: Path) -> None:
    """Neither without a key, nor with the project's own, nor with those of another private server."""
    read, _ = read_answer_suite(suite)
    alone = AnswerSuite(read.kind, read.suite, read.version, read.cases[:1])
    version = project.models.get("desk", "1")
    own = carry_out(create_key, project, CreateKey("other", group=("board",)))["key"]
    with served_privately(project, version, read.askers) as one, served_privately(project, version) as other:
        assert set(one.keys) == read.askers
        assert set(other.keys) == {()}
        assert [each for each in one.keys.values() if each in repr(one)] == []
        for key in ("", own, *one.keys.values()):
            with pytest.raises(Unavailable, match="401"):
                ask_suite(alone, "desk", Gateway(f"{other.url}/v1", "desk", {(): key}))
        assert [each.error for each in other.ask(alone, "desk", Manner()).answers] == [""]
        with pytest.raises(InvalidInput, match="no key of theirs"):
            other.ask(read, "desk", Manner())


def test_groups_that_no_key_could_have_are_refused(project: Project, tmp_path: Path) -> None:
    """As `key create` refuses them: everybody's sign, which would be in every group, among them."""
    for name in ("*", "the board", ""):
        given = AnswerEvaluation(suite=suite_at(tmp_path / "wrong.json", case=[name]), application="desk", version="1")
        with pytest.raises(InvalidInput, match="group"):
            evaluate_answers(given, project)
