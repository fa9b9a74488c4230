"""`modelyard rollout experiment`: plans, verdicts as exit codes, pages, sentences for every wrong word."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root

Command = Callable[..., tuple[int, str, str]]
ASKED = ("units.csv", "--unit", "id", "--arm", "arm")


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `modelyard rollout experiment …` in a folder with units, as the process edge does."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = [
        f"u{at},{'ab'[at % 2]},{int(random.random() < 0.2 + 0.1 * (at % 2))},{random.normal():.4f},{at}"
        for at in range(4_000)
    ]
    Path("units.csv").write_text("\n".join(["id,arm,bought,noise,second", *rows]) + "\n")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "rollout", "experiment", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def test_the_exit_code_is_the_verdict(experiment: Command) -> None:
    """0 better, 1 worse, 6 cannot be told."""
    code, out, _ = experiment("analyze", *ASKED, "--metric", "bought")
    assert (code, out.splitlines()[-1]) == (0, "pass")
    code, out, err = experiment("analyze", *ASKED, "--metric", "bought", "--lower-is-better", "bought")
    assert (code, "[EXPERIMENT_FAILED]" in err) == (1, True)
    code, out, err = experiment("analyze", *ASKED, "--metric", "noise")
    assert (code, out.splitlines()[-1], "[INCONCLUSIVE]" in err) == (6, "inconclusive", True)
    Path("units.csv").write_text("id,arm,bought\n")
    assert experiment("analyze", *ASKED, "--metric", "bought")[0] == 6


def test_a_kept_analysis_is_drawn_again(experiment: Command) -> None:
    """The same page, from the JSON that was printed."""
    words = ("analyze", *ASKED, "--metric", "bought", "--time", "second", "--html", "first.html", "--json")
    code, out, _ = experiment(*words)
    assert code == 0
    assert json.loads(out)["found"][0]["state"] == "better"
    Path("analysis.json").write_text(out)
    code, out, _ = experiment("report", "analysis.json", "--html", "again.html", "--json")
    assert (code, json.loads(out)) == (0, {"page": "again.html", "verdict": "pass"})
    page = Path("again.html").read_text()
    assert page == Path("first.html").read_text()
    assert "the stopping boundary" in page
    assert "<script" not in page


def test_a_page_escapes_what_data_says(experiment: Command) -> None:
    """Arms and columns may be called anything."""
    text = Path("units.csv").read_text().replace("bought", "<b>bought</b>").replace(",b,", ",<i>b</i>,")
    Path("units.csv").write_text(text)
    assert experiment("analyze", *ASKED, "--metric", "<b>bought</b>", "--time", "second", "--html", "x.html")[0] == 0
    page = Path("x.html").read_text()
    assert "<b>bought" not in page
    assert "&lt;i&gt;b" in page


def test_a_plan_says_units_and_days(experiment: Command) -> None:
    """For rates and for means; looking any time costs more units."""
    code, out, _ = experiment("plan", "--baseline", "0.1", "--effect", "10%", "--traffic", "2000", "--json")
    once, any_time = json.loads(out)["plans"]
    assert (code, once["units"], once["days"]) == (0, 29_502, 29_502 / 2_000)  # 14,751 an arm, as Fleiss has it
    assert 1.7 < any_time["units"] / once["units"] < 2
    code, out, _ = experiment("plan", "--mean", "20", "--deviation", "1", "--effect", "0.5")
    assert (code, "128" in out) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "--effect", "1%"), "neither a rate nor a mean"),
        (("plan", "--effect", "x", "--baseline", "0.1"), "'x' is no effect"),
        (("plan", "--effect", "0.95", "--baseline", "0.1"), "is no rate"),
        (("plan", "--effect", "1", "--mean", "3"), "needs a deviation"),
        (("plan", "--effect", "1%", "--baseline", "0.1", "--power", "2", "--share", "0"), "share is 0.0"),
        (("plan", "--effect", "1%", "--baseline", "0"), "is no effect"),
        (("analyze", *ASKED, "--metric", "bougth"), "Did you mean 'bought'"),
        (("analyze", *ASKED, "--metric", "bought:rate"), "names no metric"),
        (("analyze", *ASKED, "--metric", "bought", "--metric", "bought"), "given twice"),
        (("analyze", *ASKED, "--metric", "bought", "--lower-is-better", "noise"), "neither a metric nor a guardrail"),
        (("analyze", *ASKED, "--metric", "bought", "--alpha", "5"), "alpha is 5.0"),
        (("analyze", *ASKED, "--metric", "bought", "--planned", "0"), "are no plan"),
        (("analyze", *ASKED, "--metric", "bought", "--shares", "a=x"), "no share of a part"),
        (("analyze", *ASKED, "--metric", "bought", "--html", "none/x.html"), "There is no folder"),
        (("analyze", *ASKED, "--metric", "bought", "--html", "units.csv"), "is the data itself"),
        (("report", "units.csv", "--html", "x.html"), "is no analysis"),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_wrong_words_are_sentences_and_2(experiment: Command, words: tuple[str, ...], said: str) -> None:
    """With what to do."""
    code, _, err = experiment(*words)
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) >= 2


def test_a_file_that_is_not_there_is_told(experiment: Command) -> None:
    """Of a report it is 5, of data what reading says."""
    assert experiment("report", "none.json", "--html", "x.html")[0] == 5
    assert experiment("analyze", "none.csv", "--unit", "a", "--arm", "b", "--metric", "c")[0] in (2, 5)
