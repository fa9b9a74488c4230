"""`modelyard features`: history and leaks on the command line; every wrong word gets a sentence."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

Command = Callable[..., tuple[int, str, str]]
FEATURES = """
import modelyard as my

spending = my.FeatureView(
    name="spending", entities=[my.Entity("customer")], source="spending.csv", event_time="at",
    available_at="published", features=["total"],
)
"""
ASK = ("--entities", "asked.csv", "--features", "spending:total")


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `modelyard features …` in a project, as the process edge does: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("modelyard.yaml").write_text("project: shop\nfeatures: {module: features.py}\n")
    Path("features.py").write_text(FEATURES)
    Path("spending.csv").write_text("customer,at,published,total\nada,2026-01-01,2026-01-03,5\nbob,2026-01-01,,6\n")
    Path("asked.csv").write_text("customer,event_timestamp,y\nada,2026-01-02,1\nada,2026-01-03,0\nbob,2026-01-02,1\n")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "features", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def test_history_is_written_and_counted(features: Command) -> None:
    """As known at each row's time, or as ever known."""
    code, out, _ = features("history", *ASK, "-o", "out.parquet", "--json")
    assert (code, json.loads(out)) == (0, {"output": "out.parquet", "rows": 3, "parts": 1, "resumed": 0})
    assert pq.read_table("out.parquet").column("total").to_pylist() == [None, 5, 6]
    assert features("history", *ASK, "-o", "out.parquet", "--force", "--ever-known")[0] == 0
    assert pq.read_table("out.parquet").column("total").to_pylist() == [5, 5, 6]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--entities", "asked.csv", "-o", "x.parquet"], 2, "Name a --service, or --features"),
        ([*ASK, "--service", "s", "-o", "x.parquet"], 2, "asked for twice"),
        (["--entities", "asked.csv", "--service", "spendin", "-o", "x.parquet"], 5, "Did you mean 'spending'"),
        (
            ["--entities", "asked.csv", "--features", "spending:totl", "-o", "x.parquet"],
            5,
            "Did you mean 'spending:total'",
        ),
        ([*ASK, "-o", "x.parquet", "--event-time", "at"], 2, "no column 'at'"),
        ([*ASK, "-o", "x.parquet", "--event-time", "customer"], 2, "holds text that is no time"),
        ([*ASK, "-o", "x.csv"], 2, "ends with .parquet"),
        ([*ASK, "-o", "asked.csv.parquet", "--entities", "gone.csv"], 2, "there is no such file"),
        ([*ASK, "-o", "spending.parquet"], 4, "exists already"),
    ],
)
def test_every_wrong_word_gets_a_sentence(features: Command, words: list[str], code: int, said: str) -> None:
    """And nothing is written."""
    Path("spending.parquet").write_text("mine")
    found = features("history", *words)
    assert (found[0], said in found[2]) == (code, True), found[2]
    assert not Path("x.parquet").exists()


def test_leaks_decide_the_exit_code(features: Command) -> None:
    """0 none, 1 found, 6 not to be told."""
    assert features("check-leaks", *ASK)[:2] == (0, "Leaks in spending:total: pass\n")
    code, out, err = features("check-leaks", *ASK, "--ever-known")
    assert code == 1
    assert "1 of 3 rows get values that became available only after their time" in out
    assert "FEATURES_LEAK" in err
    code, out, _ = features("check-leaks", *ASK, "--label", "y", "--json")
    assert (code, json.loads(out)["verdict"]) == (6, "inconclusive")
