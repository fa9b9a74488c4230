"""The page of training-serving skew, of a real report: every figure that the command prints, and what to do."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from modelyard.access import local_principal
from modelyard.console import Desk
from modelyard.console.later import Worked
from modelyard.console.pages import features
from modelyard.console.pages.frame import Ask
from modelyard.console.pages.rendering import shown_page

from ..features.skew.stage import HOUR, NOON, Stage
from .checking import flaws

SHELL = {
    "project": "shop", "principal": None, "signed_in": False, "token": "", "nav": "features", "mark": "", "live": "",
    "said": None,
}  # fmt: skip


class Reports:
    """A desk that has one report to give."""

    def __init__(self, report: Any) -> None:
        self._report = report

    def carry_out(self, *_: object) -> None:
        """The deployment is there."""

    def later(self, *_: object, wait: bool) -> Worked:
        assert wait
        return Worked(done=True, value=self._report)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two shops, brought up once."""
    stage = Stage(tmp_path)
    stage.materialize(NOON - HOUR + timedelta(minutes=10))
    yield stage
    stage.close()


def page(stage: Stage) -> str:
    """The page of what was served so far."""
    report = stage.features.skew(since=NOON - HOUR, until=NOON + 24 * HOUR)
    ask = Ask(cast("Desk", Reports(msgspec.to_builtins(report))), local_principal())
    (room,) = [each for each in features.PAGES if each.template == "skew.html.j2"]
    return shown_page(room.template, room.load(ask, {"name": "shop"}) | SHELL)


def test_what_differs_is_shown_with_its_cause_and_what_to_do(stage: Stage) -> None:
    """Feature by feature, both sides of a value with the rows that they come from, the remedy of the cause."""
    stage.serve(NOON + timedelta(minutes=20))
    text = page(stage)
    assert list(flaws(text)) == []
    for told in (
        '<span class="badge bad">fail</span>', ">shops:queue</th>", "100.00%, at most 0.00%", "1 late",
        "row of 2026-01-05 11:00</span></td>", "row of 2026-01-05 12:00</span></td>", "shop=a",
        "a newer value was known, and had not reached the online store",
    ):  # fmt: skip
        assert told in text, told


def test_a_clean_report_passes_on_its_page(stage: Stage) -> None:
    """Every feature with what was compared, and no cause."""
    stage.serve(NOON - timedelta(minutes=40))
    text = page(stage)
    assert list(flaws(text)) == []
    assert text.count('<span class="badge good">pass</span>') == 4
    assert "What to do" not in text


def test_nothing_answered_is_told_as_such(stage: Stage) -> None:
    """No figures, and the reason."""
    text = page(stage)
    assert list(flaws(text)) == []
    assert "There are no answers in this time." in text
