"""`modelyard data`: exit codes that mean something, one JSON document, sentences for every wrong word."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

Command = Callable[..., tuple[int, str, str]]
PROJECT = """project: shop
datasets:
  orders: {source: rows.csv, event_time: at, known_at: at, label: y, schema: schema.yaml}
"""


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `modelyard data …` in a folder with rows, as the process edge does: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a,y,at\n1,0,2026-01-01\n2,1,2026-01-02\n")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "data", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def test_what_is_inferred_validates(data: Command) -> None:
    """A schema is not written over another unless one says so."""
    assert data("infer", "rows.csv", "-o", "schema.yaml")[:2] == (0, "Wrote schema.yaml.\n")
    assert data("infer", "rows.csv", "-o", "schema.yaml")[0] == 4
    assert data("infer", "rows.csv", "-o", "schema.yaml", "--force")[0] == 0
    code, out, _ = data("validate", "rows.csv", "rows.csv", "--schema", "schema.yaml", "--json")
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["rows"]) == (0, "pass", 4)
    assert data("infer", "rows.csv")[1] == Path("schema.yaml").read_text()


def test_a_broken_promise_is_1_and_shows_the_row(data: Command) -> None:
    """For people and as JSON."""
    Path("schema.yaml").write_text("columns: {a: {minimum: 2}}\n")
    code, out, err = data("validate", "rows.csv", "--schema", "schema.yaml")
    assert code == 1
    assert "Column 'a': 1 of 2 rows (50.00%) are below 2." in out
    assert "  row 1: a = 1" in out
    assert "[DATA_FAILED]" in err
    code, out, _ = data("validate", "rows.csv", "--schema", "schema.yaml", "--json")
    (check,) = (each for each in json.loads(out)["checks"] if each["check"] == "minimum")
    assert (code, check["broken"], check["share"], check["sample"]) == (1, 1, 0.5, [{"row": 1, "values": {"a": 1}}])


def test_no_rows_are_6_and_promised_rows_that_lack_are_1(data: Command) -> None:
    """No data is never a pass."""
    Path("empty.csv").write_text("a\n")
    Path("schema.yaml").write_text("columns: {a: {}}\n")
    code, _, err = data("validate", "empty.csv", "--schema", "schema.yaml")
    assert code == 6
    assert "There are no rows to judge." in err
    Path("schema.yaml").write_text("min_rows: 1\ncolumns: {a: {}}\n")
    assert data("validate", "empty.csv", "--schema", "schema.yaml")[0] == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["validate", "rows.csv"], 2, "modelyard data infer writes one"),
        (["validate", "nowhere"], 2, "is no file, and"),
        (["validate", "none.parquet", "--schema", "s.yaml"], 2, "none.parquet"),
        (["validate", "rows.csv", "--schema", "none.yaml"], 2, "none.yaml"),
        (["validate", "rows.csv", "bad.parquet", "--schema", "s.yaml"], 2, "bad.parquet"),
        (["validate", "rows.csv", "other.csv", "--schema", "s.yaml"], 2, "its columns are not those of"),
        (["infer", "rows.csv", "-o", "no/where.yaml"], 2, "There is no folder no"),
        (["schema", "s.yaml"], 2, "Say one of"),
        (["schema", "s.yaml", "--from-pandera"], 2, "FILE.py:NAME"),
        (["schema", "mine.py:schem", "--from-pandera"], 5, "Did you mean 'schema'?"),
        (["schema", "lossy.yaml", "--to-pandera"], 2, "column 'a': order"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(data: Command, words: list[str], code: int, said: str) -> None:
    """With what to do about it."""
    Path("s.yaml").write_text("columns: {a: {}}\n")
    Path("lossy.yaml").write_text("columns: {a: {order: ascending}}\n")
    Path("bad.parquet").write_bytes(b"PAR1 no")
    Path("other.csv").write_text("b\n1\n")
    Path("mine.py").write_text("schema = 3\n")
    ended, _, err = data(*words)
    assert (ended, said in err) == (code, True), err


def test_a_dataset_is_checked_by_its_name(data: Command) -> None:
    """Against its section and the schema file that it names; a misspelt name has a nearest one."""
    Path("modelyard.yaml").write_text(PROJECT)
    Path("schema.yaml").write_text("columns: {a: {maximum: 1}}\n")
    code, out, _ = data("validate", "orders", "--json")
    assert (code, json.loads(out)["reasons"]) == (1, ["Column 'a': 1 of 2 rows (50.00%) are above 1."])
    assert "Did you mean 'orders'?" in data("validate", "ordres")[2]
    Path("schema.yaml").write_text("columns: {a: {maximun: 1}}\n")
    code, _, err = data("validate", "orders")
    assert (code, "modelyard.yaml:3:" in err, "did you mean 'maximum'?" in err) == (2, True, True)


def test_a_dataset_is_described_by_its_name(data: Command) -> None:
    """As a file is, with its page; outside a project a name is a file that is not there."""
    assert data("profile", "orders")[0] == 2
    Path("modelyard.yaml").write_text(PROJECT)
    Path("schema.yaml").write_text("columns: {a: {maximum: 1}}\n")
    code, out, _ = data("profile", "orders", "--html", "orders.html", "--json")
    told = json.loads(out)
    assert (code, told["file"], told["rows"], told["page"]) == (0, "orders", 2, "orders.html")
    assert "orders" in Path("orders.html").read_text()
    assert "Did you mean 'orders'?" in data("profile", "ordres")[2]
