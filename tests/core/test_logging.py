"""One event is one line of JSON, whatever is in it."""

import json
import logging
from collections.abc import Iterator

import pytest

from modelyard.core import configure_logging, log_event


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Other tests of this process do not log to the stream of this one."""
    log = logging.getLogger("modelyard")
    before = (log.handlers[:], log.level, log.propagate)
    yield
    log.handlers[:], log.level, log.propagate = before


def test_an_event_is_one_line_of_json_even_with_hostile_values(capsys: pytest.CaptureFixture[str]) -> None:
    """A line break inside a value cannot forge a second line."""
    configure_logging("server-1")
    log_event("serving", "bundle refused", reason='x"\n{"level": "info"}', path=object)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    event = json.loads(lines[0])
    assert (event["process"], event["room"], event["event"]) == ("server-1", "serving", "bundle refused")
    assert event["reason"].startswith('x"\n')
