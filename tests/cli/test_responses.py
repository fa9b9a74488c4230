"""`modelyard rollout diff`, and `experiment analyze` of a deployment: verdicts as exit codes, pages, wrong words."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import SystemClock, to_micros, uuid7
from modelyard.journal import Journal, PredictionRecord

Command = Callable[..., tuple[int, str, str]]
PROJECT = """
project: yard
models:
  m: {label: y, request: {x: number}, features: [x]}
deployments:
  d: {model: m@production}
"""


@pytest.fixture
def rollout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `modelyard rollout …` in a project with a shadow's log, as the process edge does."""
    monkeypatch.chdir(tmp_path)
    Path("modelyard.yaml").write_text(PROJECT)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "rollout", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def log(pairs: int, differing: int = 0) -> None:
    """Write so many pairs into the project's journal."""
    journal = Journal(Path(".modelyard/journal"), "srv.a", SystemClock())
    start, records = datetime.now(UTC) - timedelta(hours=1), []
    for at in range(pairs):
        instant = to_micros(start + timedelta(seconds=at))
        one = PredictionRecord(
            uuid7(instant, at.to_bytes(10, "big")), instant, "d", 1, "1", "live", "live", True, None,
            (1.0, "de" if at % 2 else "fr"), "yes", (0.9,), 1000, None, instant,
        )  # fmt: skip
        other = msgspec.structs.replace(one, model_version="2", arm="shadow", role="shadow", answered=False)
        far = msgspec.structs.replace(other, prediction="no", scores=(0.2,))
        records += [one, far if at < differing else other]
    journal.append(records)
    journal.close()


def test_the_exit_code_is_the_verdict_of_the_diff(rollout: Command) -> None:
    """6 without pairs, 6 with few, 0 when they agree, 1 when they differ; --since cuts off."""
    code, out, err = rollout("diff", "d")
    assert (code, out.splitlines()[-1], "nothing was copied" in err) == (6, "inconclusive", True)
    log(100)
    assert rollout("diff", "d")[0] == 6
    log(900)
    code, out, err = rollout("diff", "d", "--segment", "feature_1", "--html", "diff.html")
    assert (code, out.splitlines()[-1], err) == (0, "agrees", "")
    assert "feature_1=de" in out
    assert "agrees" in Path("diff.html").read_text()
    log(1000, differing=200)
    code, out, err = rollout("diff", "d", "--json")
    assert (code, json.loads(out)["verdict"], "[RESPONSES_DIFFER]" in err) == (1, "differs", True)
    assert rollout("diff", "d", "--since", "1s")[0] == 6


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("diff", "e"), 5, "There is no deployment 'e'"),
        (("diff", "d", "--segment", "contry"), 2, "contry"),
        (("diff", "d", "--since", "yesterday"), 2, "no time"),
        (("diff", "d", "--html", "none/page.html"), 2, "There is no folder none"),
        (("diff", "d", "--arm", "shadw"), 6, "Shadows there: shadow"),
        (("experiment", "analyze", "d"), 5, "no rollout whose arms could be compared"),
        (("experiment", "analyze", "e", "--metric", "score"), 5, "There is no deployment 'e'"),
        (("experiment", "analyze", "d", "--time", "at"), 2, "--time is for files"),
        (("experiment", "analyze", "d.csv"), 2, "--unit"),
    ],
)
def test_wrong_words_are_answered_with_what_to_do(
    rollout: Command, words: tuple[str, ...], code: int, said: str
) -> None:
    """A sentence, never a traceback."""
    log(50)
    found, _, err = rollout(*words)
    assert (found, said in err) == (code, True), err
