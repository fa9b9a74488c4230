"""Parts of a step know the run that they are a part of, and get nothing that nobody would know of."""

from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest

from modelyard.core import ManualClock
from modelyard.pipelines import InvalidPipeline, RunContext
from modelyard.pipelines.context import enter, leave
from modelyard.pipelines.parts import Parts

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


FUNCTIONS = """
from modelyard.pipelines import context


def facts():
    run = context()
    return run.run_id, run.step, run.seed, run.clock.now(), run.deterministic


def reads():
    return context().services.dataset("visits", None)
"""


def test_a_part_is_in_the_context_of_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock stands where the step's does; the project's services are the step's alone, and the error says so."""
    (tmp_path / "functions_of_parts.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    functions, services = import_module("functions_of_parts"), cast("Any", None)
    token = enter(RunContext("run", ManualClock(NOON), 7, services, "fit", deterministic=True))
    try:
        with closing(Parts(1, most=1, resources={"cpus": 1})) as parts:
            parts.submit("facts", functions.facts, ())
            parts.submit("reads", functions.reads, ())
            told, refused = (parts.wait()[0] for _ in range(2))
            assert parts.wait() == []
    finally:
        leave(token)
    assert told.value == ("run", "fit", 7, NOON, True)
    assert refused.error is not None
    assert isinstance(refused.error.exception, InvalidPipeline)
    assert "asks for the project's 'dataset'" in refused.error.message


def test_without_parallel_there_are_as_many_as_the_step_has_room_for() -> None:
    """Outside any step, as many as this machine has processors; never more than there are parts."""
    with closing(Parts(None, most=3, resources={"cpus": 0.1})) as parts:
        assert parts.width == 3
    with closing(Parts(None, most=9, resources={"cpus": 10_000})) as parts:
        assert parts.width == 1
