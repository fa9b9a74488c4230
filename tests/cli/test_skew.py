"""`modelyard features skew`: what a person reads, and the exit codes of questions that cannot be answered."""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from modelyard.cli.edge import exit_code, run
from modelyard.cli.root import root
from modelyard.cli.skew import show_skew, skewed

from ..features.skew.stage import HOUR, NOON, Stage, pace, view

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two shops, brought up once."""
    stage = Stage(tmp_path)
    stage.materialize(NOON - HOUR + timedelta(minutes=10))
    yield stage
    stage.close()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """Runs `modelyard features skew …` in a project, as the process edge does: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    model = "models:\n  m: {label: y, request: {a: number}, features: [a]}\n"
    deployments = "deployments:\n  one: {model: m@production}\n  two: {model: m@production}\n"
    Path("modelyard.yaml").write_text(f"project: shop\n{model}{deployments}")

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "features", "skew", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def shown(stage: Stage, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """What the command ends with and prints of a stage, in 80 columns and without colours."""
    report = msgspec.to_builtins(stage.features.skew(since=NOON - HOUR, until=NOON + 24 * HOUR))
    show_skew(report)
    error = skewed(report)
    text = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out)
    return (0 if error is None else exit_code(error)), text


def test_who_looks_at_night_reads_what_differs_why_and_what_to_do(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict first, both sides of a value with the rows that they come from, the cause and its remedy."""
    stage.serve(NOON + timedelta(minutes=20))
    code, text = shown(stage, capsys)
    assert code == 1
    lines = text.splitlines()
    assert lines[0] == "Training-serving skew of shop: fail"
    assert lines[1] == "2026-01-05 11:00 to 2026-01-06 12:00 UTC: 1 predictions, 1 compared, 1 differ (100.00%)"
    assert re.search(r"shops:queue +1 +1 +100.00% +1 late", text)
    assert "2026-01-05 12:20 shops:queue of shop=a: late, prediction id-1" in lines
    assert "    served -1 (row of 2026-01-05 11:00); training would see 0 (row of 2026-01-05 12:00)" in lines
    assert "late: a newer value was known, and had not reached the online store." in text


def test_a_clean_report_is_short(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with 0."""
    stage.serve(NOON - timedelta(minutes=40))
    code, text = shown(stage, capsys)
    assert (code, len(text.splitlines())) == (0, 3)
    assert "3 features have no value that differs." in text


def test_what_cannot_be_told_says_why(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was answered; a definition is gone, or another."""
    assert shown(stage, capsys) == (6, shown_nothing())
    stage.serve(NOON - timedelta(minutes=40))
    short = view(features=["queue"])
    stage.define(short, pace(short))
    code, text = shown(stage, capsys)
    assert code == 6
    assert text.count("shops:mood") == 1
    assert "'shops:mood' cannot be recomputed: it is no longer defined." in text


def shown_nothing() -> str:
    """The report of a time without answers."""
    return (
        "Training-serving skew of shop: inconclusive\n"
        "2026-01-05 11:00 to 2026-01-06 12:00 UTC: 0 predictions, 0 compared, 0 differ (0.00%)\n"
        "There are no answers in this time.\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--deployment", "one", "--since", "yesterday"], 2, "neither a duration nor a time"),
        (["--deployment", "one", "--until", "soon"], 2, "which is no time"),
        (["--deployment", "one", "--since", "2100-01-01"], 2, "time before the end"),
        (["--deployment", "one", "--sample", "0"], 2, "one prediction or more"),
        (["--deployment", "onne"], 5, "Did you mean 'one'"),
        ([], 2, "Name one of them: one, two"),
        (["--deployment", "two"], 6, "cannot be told"),
    ],
)
def test_every_wrong_word_gets_a_sentence(ask: Ask, words: list[str], code: int, said: str) -> None:
    """And the exit code of its kind."""
    found = ask(*words)
    assert (found[0], said in found[2]) == (code, True), found
