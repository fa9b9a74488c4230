"""The command line: one JSON document, exit codes that mean something, sentences instead of tracebacks."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from modelyard.cli.derive import command as derive
from modelyard.cli.edge import Inconclusive, emit, exit_code, run
from modelyard.cli.root import NOUNS, root
from modelyard.cli.show import fields, table
from modelyard.core import Conflict, Damaged, Failed, Forbidden, InvalidInput, ModelyardError, NotFound, Unavailable
from modelyard.wiring import Project

from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

SOURCES = Path(__file__).parents[2] / "src" / "modelyard"
ROOMS = ("tracking", "data", "online", "retraining", "operations", "cli", "control", "demo")


def leaves(group: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command below a group."""
    if not isinstance(group, click.Group):
        return [words]
    context = click.Context(group)
    below = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [leaf for name, each in below if each is not None for leaf in leaves(each, (*words, name))]


COMMANDS = leaves(root)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_json(modelyard: Command, words: tuple[str, ...]) -> None:
    """`serve` and `up` run until Ctrl-C and have nothing to print."""
    code, out, _ = modelyard(*words, "--help")
    assert (code, out.split()[:2]) == (0, ["Usage:", "modelyard"])
    assert ("--json" in out) is (words[0] not in ("serve", "up"))


def test_what_the_top_says_of_a_noun_its_verbs_keep(modelyard: Command) -> None:
    """`Feature views: list, materialize.` promises exactly these two."""
    for noun, summary in NOUNS.items():
        verbs = [words[1] for words in COMMANDS if words[0] == noun and len(words) >= 2]
        promised = summary.rpartition(": ")[2].rstrip(".").replace("roll back", "rollback").split(", ")
        if verbs and ":" in summary and promised != ["statistics"]:
            assert set(promised) <= set(verbs), noun


def test_what_deploy_requires_it_requires_again_after_its_verb(modelyard: Command) -> None:
    """Asking for `smoke` leaves nothing behind in the process."""
    modelyard("deploy", "smoke", "--help")
    code, _, err = modelyard("deploy", "--model=shop")
    assert code == 2
    assert "Missing option '--version'" in err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["modle"], "Did you mean 'model'?"),
        (["größe"], "There are: adopt"),
        (["deploy", "smok"], "Did you mean 'smoke'?"),
        (["model", "lst"], "lst"),
        (["model", "list", "--stag", "x"], "--stag"),
        (["model", "show"], "NAME"),
        (["rollout", "start", "shop"], "--to"),
        (["audit", "list", "--limit", "many"], "many"),
        (["serve", "--port", "99999"], "99999"),
        (["serve", "--metrics-port", "0"], "metrics-port"),
        (["model", "list", "too", "much"], "unexpected"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_words_that_cannot_be_used_exit_with_2(modelyard: Command, words: list[str], complaint: str) -> None:
    """Unknown nouns, verbs and flags, missing and wrong values; with --json still one document."""
    code, out, err = modelyard(*words)
    assert (code, out) == (2, "")
    assert complaint in err
    code, out, _ = modelyard(*words, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "USAGE")


def test_nothing_said_shows_the_help(modelyard: Command) -> None:
    """And is no success: nothing was done."""
    code, _, err = modelyard()
    assert code == 2
    assert "Usage: modelyard" in err


def test_no_project_exits_with_5_and_says_how_to_start_one(modelyard: Command, tmp_path: Path) -> None:
    """For every command that needs one."""
    for words in (("status",), ("model", "list"), ("down",), ("serve",), ("up",), ("doctor",)):
        code, out, err = modelyard(*words, "--project", str(tmp_path / "nowhere"))
        assert (code, out) == (5, "")
        assert "modelyard init" in err


READING: tuple[tuple[str, ...], ...] = (
    ("config", "show"), ("status",), ("audit", "list"), ("audit", "verify"), ("features", "list"),
    ("features", "materialize"), ("model", "list"), ("model", "show", "purchase", "1"),
    ("model", "history", "purchase"), ("rollout", "status", "shop"), ("rollout", "history", "shop"),
    ("log", "stats", "shop"), ("monitor", "run", "--deployment", "shop"), ("monitor", "status", "--deployment", "shop"),
    ("alert", "list"), ("retrain", "tick"), ("retrain", "status", "purchase"), ("retrain", "explain", "purchase"),
    ("key", "list"), ("pipeline", "show", "training"), ("down",),
)  # fmt: skip


def test_a_fresh_project_answers_every_question(modelyard: Command, shop: Path) -> None:
    """In both manners: exactly one JSON document and nothing else on stdout, or something for a person to read."""
    for words in READING:
        code, out, err = modelyard(*words, "--project", str(shop), "--json")
        assert (code, err) == (0, ""), words
        json.loads(out, parse_constant=pytest.fail)  # called for NaN and the infinities alone
        code, out, err = modelyard(*words, "--project", str(shop))
        assert (code, bool(out.strip())) == (0, True), words


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["model", "show", "purchaze"], 5, "MODEL_VERSION_NOT_FOUND"),
        (["model", "show", "purchase", "99"], 5, "MODEL_VERSION_NOT_FOUND"),
        (["model", "history", "purchaze"], 5, "MODEL_VERSION_NOT_FOUND"),
        (["model", "rollback", "--name", "purchaze"], 5, "MODEL_VERSION_NOT_FOUND"),
        (["model", "promote", "--name", "purchase", "--version", "1", "--stage", "none"], 4, "NO_STAGE"),
        (["monitor", "run", "--deployment", "shpo"], 5, "NOT_MONITORED"),
        (["monitor", "status", "--deployment", "shpo"], 5, "NOT_MONITORED"),
        (["retrain", "run", "purchaze"], 5, "NO_POLICY"),
        (["retrain", "explain", "purchaze"], 5, "NO_POLICY"),
        (["pipeline", "run", "trainign"], 5, "PIPELINE_NOT_FOUND"),
        (["pipeline", "run", "training", "-p", "x"], 2, "INVALID_INPUT"),
        (["pipeline", "run", "training", "-p", "as_of=soon"], 2, "INVALID_INPUT"),
        (["rollout", "rollback", "shop"], 5, "NO_ROLLOUT"),
        (["key", "create", "--name", "ü"], 2, "INVALID_NAME"),
        (["key", "create", "--name", "k", "--expires", "-1"], 2, "NOT_A_DURATION"),
        (["key", "revoke", "nope"], 5, "NOT_FOUND"),
        (["audit", "list", "--limit", "-5"], 2, "INVALID_INPUT"),
        (["features", "materialize", "--feature-view", "x"], 5, "UNKNOWN_FEATURE"),
        (["init", "SHOP"], 4, "PROJECT_EXISTS"),
        (["init", "SHOP/data.py"], 2, "INVALID_INPUT"),
        (["init", "SHOP/new", "--template", "flihgts"], 5, "NO_TEMPLATE"),
        (["pipeline", "run", "training", "-p", "min_auc=2"], 1, None),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_is_refused_says_so_by_code_and_document(
    modelyard: Command, shop: Path, words: list[str], code: int, error: str | None
) -> None:
    """The same exit code with and without --json; stdout holds the document and nothing else, or nothing."""
    words = [word.replace("SHOP", str(shop)) for word in words]
    where = [] if words[0] == "init" else ["--project", str(shop)]
    assert modelyard(*words, *where)[0] == code
    ended, out, err = modelyard(*words, *where, "--json")
    assert ended == code
    assert "Error [" in err
    document = json.loads(out)
    if error is not None:
        assert (document["error"]["code"], bool(document["error"]["message"])) == (error, True)
    else:
        assert document["verdict"] == "fail"


def test_a_broken_audit_record_exits_with_1_either_way(modelyard: Command, shop: Path) -> None:
    """`audit verify --json` in a script must not look intact."""
    project = Project(shop, environment={})
    with project.records.transaction() as tx:
        tx.append("audit", {"hash": "0", "previous": "0"})
    project.close()
    for verb in (("audit", "verify"), ("doctor",)):
        for manner in ((), ("--json",)):
            code, out, err = modelyard(*verb, "--project", str(shop), *manner)
            assert code == 1
            assert "Error [" in err
            if manner:
                json.loads(out)


@pytest.mark.parametrize(("verdict", "code"), [("pass", 0), ("fail", 1), ("inconclusive", 6)])
@pytest.mark.parametrize("manner", [(), ("--json",)])
def test_the_verdict_of_a_pipeline_is_its_exit_code(
    modelyard: Command, shop: Path, verdict: str, code: int, manner: tuple[str, ...]
) -> None:
    """A metric that nobody measured is inconclusive; a number that is none is null in the document."""
    (shop / "judge.py").write_text(
        "import modelyard as my\n"
        "@my.step(kind='evaluate')\n"
        "def measure() -> dict[str, float]:\n"
        "    '''A number.'''\n"
        "    return {'auc': 0.9}\n"
        "@my.pipeline\n"
        "def judge(metric: str = 'auc', floor: float = 0.5) -> None:\n"
        "    '''Measure and judge.'''\n"
        f"    my.gate(measure(), {{'pass': {{'auc': .5}}, 'fail': {{'auc': .95}}, 'inconclusive': {{'f1': .5}}}}"
        f"['{verdict}'])\n"
    )
    file = shop / "modelyard.yaml"
    file.write_text(file.read_text().replace("pipelines:\n", "pipelines:\n  judge: {module: judge.py}\n"))
    ended, out, _ = modelyard("pipeline", "run", "judge", "--project", str(shop), *manner)
    assert ended == code
    if manner:
        assert json.loads(out)["verdict"] == verdict


def test_an_interrupt_exits_with_130(modelyard: Command, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever Ctrl-C falls."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Project, "__init__", interrupted)
    code, out, err = modelyard("status", "--project", str(shop))
    assert (code, out, err.strip()) == (130, "", "Interrupted.")


def test_what_the_operating_system_refuses_is_a_sentence(modelyard: Command, shop: Path) -> None:
    """A workspace that is a file: named, without a traceback."""
    file = shop / "modelyard.yaml"
    file.write_text(file.read_text() + "\nstores: {workspace: data.py}\n")
    code, out, err = modelyard("model", "list", "--project", str(shop), "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "STORE_UNAVAILABLE"
    assert "data.py" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput, 2), (NotFound, 5), (Conflict, 4), (Forbidden, 4), (Failed, 1), (Unavailable, 1), (Damaged, 1),
        (Inconclusive, 6), (ModelyardError, 1),
    ],
)  # fmt: skip
def test_every_branch_of_the_error_tree_has_its_exit_code(error: type[ModelyardError], code: int) -> None:
    """Leaves take their branch's."""
    assert exit_code(error("x")) == exit_code(type("Leaf", (error,), {})("x")) == code


def test_a_document_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither NaN nor an infinity, however deep; what JSON does not know is text."""
    emit({"a": [float("nan"), {"b": (float("inf"), 1.5)}], "p": Path("x")}, as_json=True, show=fields)
    assert json.loads(capsys.readouterr().out) == {"a": [None, {"b": [None, 1.5]}], "p": "x"}


def test_an_error_with_nan_in_its_context_is_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also errors keep the promise."""

    @click.command()
    @click.option("--json", is_flag=True)
    def broken(**_: object) -> None:
        raise Failed("no number", context={"value": float("nan")})

    monkeypatch.setattr(sys, "argv", ["modelyard", "--json"])
    assert run(broken) == 1
    assert json.loads(capsys.readouterr().out)["error"]["context"] == {"value": None}


def test_values_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Square brackets are no markup, and a long key is never broken over two lines."""
    token = "my_" + "0" * 90
    fields({"why": "[/bold] auc [red]", "key": token, "none": None, "list": [1.23456, {"a": "ü"}]})
    table("detail", "missing")([{"detail": "[/x] fell"}])
    out = capsys.readouterr().out
    assert "[/bold] auc [red]" in out
    assert token in out
    assert "list\n  1.235\n  a=ü\n" in out
    assert "[/x] fell" in out
    fields(None)
    fields({})
    table("a")([])
    assert capsys.readouterr().out.count("Nothing yet.") == 2


def test_what_stands_inside_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    """Objects in objects, and lists of them, indented; short objects stay on their line."""
    fields({"route": {"live": 7, "arms": ({"name": "live"}, {"name": "canary"})}, "counts": {"a": 1, "b": 2}})
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["route", "  live  7", "  arms", "    name=live", "    name=canary", "counts  a=1, b=2"]


def test_an_operation_without_help_for_a_field_is_refused() -> None:
    """Whoever adds a field says what it is."""
    from dataclasses import make_dataclass

    from modelyard.access import Permission
    from modelyard.operations import Operation

    bare: Any = Operation("n", "v", "s", Permission.READ, make_dataclass("Bare", [("x", int)]), lambda _: None)
    with pytest.raises(TypeError, match=r"Annotated.*Option"):
        derive(bare, fields)


def test_a_reader_that_leaves_is_no_error() -> None:
    """`modelyard ... | head -1` ends quietly."""
    program = "import sys; from modelyard.cli import main; sys.argv = ['modelyard', '--help']; sys.exit(main())"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(20)


def named_commands(room: str) -> set[tuple[str, ...]]:
    """Every `modelyard noun verb` in the texts of a room; a noun alone when it has no verbs."""
    found: set[tuple[str, ...]] = set()
    for file in (SOURCES / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= {
                    tuple(words.split())
                    for words in re.findall(r"\bmodelyard ((?:[a-z]+)(?: [a-z]+(?:-[a-z]+)*)?)", node.value)
                }
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_every_command_that_a_remedy_names_exists(room: str) -> None:
    """Advice that cannot be followed is none."""
    nouns = {words[0] for words in COMMANDS if len(words) == 1}
    for words in named_commands(room):
        exists = words[0] in nouns or any(each[: len(words)] == words for each in COMMANDS)
        assert exists, f"{room} names: modelyard {' '.join(words)}"
