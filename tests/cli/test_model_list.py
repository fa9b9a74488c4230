"""`modelyard model list | names`: a page at a time, and what to say to see more."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelyard.cli.show import table
from modelyard.core import ManualClock
from modelyard.operations import write_template
from modelyard.operations.models import noticed_elsewhere
from modelyard.registry import ModelVersion
from modelyard.wiring import Project

from ..conftest import NOON
from .conftest import Command


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a project of two models with 60 versions each, where nobody looks at MLflow."""
    write_template("minimal", tmp_path / "yard")
    project = Project(tmp_path / "yard", clock=ManualClock(NOON), environment={})
    with project.records.transaction() as tx:
        for name in ("churn", "fraud"):
            for number in range(1, 61):
                made = ModelVersion(name, number, f"v{number}", NOON.isoformat(), "ann")
                tx.put("model-version", f"{name}/{number:08d}", msgspec.to_builtins(made))
    project.close()
    monkeypatch.chdir(tmp_path / "yard")
    with noticed_elsewhere():
        yield


@pytest.mark.usefixtures("yard")
def test_a_list_tells_the_newest_and_how_to_go_on(modelyard: Command) -> None:
    """50 of them as ever one JSON list, the hint on stderr; what it names is the next page."""
    code, out, err = modelyard("model", "list", "--json")
    first = [f"{each['name']}/{each['number']}" for each in json.loads(out)]
    assert (code, len(first), first[0], first[-1]) == (0, 50, "fraud/60", "fraud/11")
    assert err.strip() == "There are more: --limit N, --all, or --before fraud/11"
    _, out, _ = modelyard("model", "list", "--json", "--before", "fraud/11", "--limit", "11")
    assert [each["number"] for each in json.loads(out)] == [*range(10, 0, -1), 60]


@pytest.mark.usefixtures("yard")
def test_all_of_them_need_to_be_asked_for(modelyard: Command) -> None:
    """And then nothing is left to be said."""
    _, out, err = modelyard("model", "list", "--json", "--all")
    assert (len(json.loads(out)), err) == (120, "")
    _, out, err = modelyard("model", "list", "--json", "--name", "churn", "--limit", "60")
    assert (len(json.loads(out)), err) == (60, "")


@pytest.mark.usefixtures("yard")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--before", "fraud"), 2, "INVALID_CURSOR"),
        (("--name", "churn", "--before", "fraud/3"), 2, "INVALID_CURSOR"),
        (("--before", "fraud/99"), 5, "MODEL_VERSION_NOT_FOUND"),
        (("--limit", "0"), 2, "0 is not in the range"),
        (("--limit", "9" * 30), 2, "--limit counts from 1"),
    ],
)
def test_a_place_that_is_none_is_refused(modelyard: Command, words: tuple[str, ...], code: int, said: str) -> None:
    """As the caller's fault, with what to write."""
    found, _, err = modelyard("model", "list", *words)
    assert (found, said in err) == (code, True), err


@pytest.mark.usefixtures("yard")
def test_models_are_told_by_name(modelyard: Command) -> None:
    """A line each, and how many more there are."""
    code, out, err = modelyard("model", "names", "--limit", "1")
    assert (code, out.split()[-5:][:3], err.strip()) == (0, ["churn", "60", "v60"], "1 more: --limit N or --skip N")
    _, out, _ = modelyard("model", "names", "--skip", "1", "--json")
    told = json.loads(out)
    assert ([each["name"] for each in told["models"]], told["total"]) == (["fraud"], 2)


def test_a_long_table_is_a_line_a_row_whatever_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is fitted, cut or wrapped."""
    table("path", "created_at")([{"path": f"p{number}", "created_at": "x" * 300} for number in range(2000)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "path   created at"
    assert (len(lines), lines[-1]) == (2001, "p1999  " + "x" * 300)
