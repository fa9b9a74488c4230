"""Skew of features that functions give: of the same code, of changed code, and of code that does not repeat itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.data import load_function
from modelyard.features import Definitions, OnDemandView, RequestSource, SkewReport, changes_between, described
from modelyard.features.skew import kept_functions

from .stage import HOUR, NOON, Stage, view

PACE = "def each(row):\n    return {'each': (row['queue'] or -1.0) / row['people']}\n"
RANDOM = "import random\ndef each(row):\n    return {'each': random.random()}\n"


def paced(folder: Path, file: str, text: str = PACE) -> OnDemandView:
    """A function of the queue and of a field of the request, in a file of its own."""
    (folder / file).write_text(text)
    visit = RequestSource("visit", schema={"people": "float64"})
    function = load_function(f"{file}:each", folder)
    return OnDemandView("pace", sources=[view()[["queue"]], visit], features={"each": "float64"}, function=function)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A model that takes the queue and what a function makes of it."""
    stage = staged(tmp_path, PACE)
    yield stage
    stage.close()


def staged(folder: Path, text: str) -> Stage:
    """The same with this code, and three requests answered."""
    stage = Stage(folder, (view(), paced(folder, "served.py", text)), ("shops:queue", "pace:each"))
    stage.materialize(NOON + HOUR / 12)
    for minute, people in ((10, 2.0), (20, 4.0), (30, 5.0)):
        stage.serve(NOON + minute * HOUR / 60, people=people)
    return stage


def judged(stage: Stage) -> SkewReport:
    """The skew of all that was served."""
    return stage.features.skew(since=NOON - 24 * HOUR, until=NOON + 24 * HOUR)


def test_the_same_function_has_no_skew(stage: Stage) -> None:
    """What was served is recomputed in a worker process, and is the same to the last bit."""
    report = judged(stage)
    assert (report.verdict, report.compared, report.differing) == ("pass", 3, 0)


def test_changed_code_is_the_cause_that_is_named(stage: Stage, tmp_path: Path) -> None:
    """With what it was and is; a comment alone makes nothing differ."""
    stage.define(view(), paced(tmp_path, "commented.py", f"# as before\n{PACE}"))
    assert judged(stage).verdict == "pass"
    stage.define(view(), paced(tmp_path, "doubled.py", PACE.replace("-1.0)", "-1.0) * 2")))
    report = judged(stage)
    assert (report.verdict, report.causes) == ("fail", {"definition": 3})
    (column,) = [each for each in report.columns if each.differing]
    assert column.feature == "pace:each"
    assert "was each of " in column.reason


def test_code_that_does_not_repeat_itself_is_found(tmp_path: Path) -> None:
    """No definition changed, and no row was late: the cause is unknown, the difference is not."""
    stage = staged(tmp_path, RANDOM)
    try:
        report = judged(stage)
    finally:
        stage.close()
    assert (report.verdict, report.causes) == ("fail", {"unknown": 3})


def test_definitions_tell_that_code_changed_and_bundles_that_they_keep_theirs(stage: Stage, tmp_path: Path) -> None:
    """By the digest of its file; one that became an expression, or went, is told too."""
    plan = stage.version.plan
    same, other = stage.features.definitions, Definitions([view(), paced(tmp_path, "other.py", PACE + "\n# more\n")])
    assert kept_functions(plan, same) == []
    (why,) = kept_functions(plan, other)
    assert why.startswith("'pace' was each of ")
    before, now = ({"feature view/pace": described(each.on_demand["pace"], each)} for each in (same, other))
    assert {each.attribute for each in changes_between(before, now)} == {"code", "function"}
    assert kept_functions(plan, Definitions([view()]))[0].endswith("and is gone")
    visit = RequestSource("visit", schema={"people": "float64"})
    expression = OnDemandView("pace", sources=[view(), visit], features={"each": "queue / people"})
    assert kept_functions(plan, Definitions([view(), expression]))[0].endswith("and is an expression")
    stage.define(view(), expression)
    assert judged(stage).causes == {"definition": 3} or judged(stage).verdict == "pass"
