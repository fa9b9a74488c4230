"""Silences and acknowledgements: by whom, until when, about what; on record."""

from datetime import timedelta

import pytest

from modelyard.core import InvalidInput
from modelyard.monitoring import NoSuchAlert, fits

from .desk import ANN, Desk

SLOW, FINE = {"latency_p99": 500.0}, {"latency_p99": 20.0}
HOUR = timedelta(hours=1)


def actions(desk: Desk) -> list[tuple[str, str]]:
    """What is on record."""
    return [(str(each.body["action"]), str(each.body["principal"])) for each in desk.audit.entries()]


def test_a_silence_holds_until_it_is_over_or_ended(desk: Desk) -> None:
    """Both are on record, with who did it."""
    first = desk.responses.silence({"name": "latency_*"}, desk.clock.now() + HOUR, "disk swap", ANN)
    second = desk.responses.silence({"severity": "warning"}, desk.clock.now() + 2 * HOUR, "", ANN)
    assert desk.responses.silences() == [first, second]
    desk.responses.end(second.id, ANN)
    assert desk.responses.silences() == [first]
    desk.clock.advance(HOUR)
    assert desk.responses.silences() == []
    assert actions(desk) == [("alert.silence", "ann")] * 2 + [("alert.unsilence", "ann")]
    with pytest.raises(NoSuchAlert, match="no silence"):
        desk.responses.end(first.id, ANN)


@pytest.mark.parametrize(
    ("matchers", "hit"),
    [
        ({"name": "latency_p99"}, True),
        ({"name": "latency_p99", "deployment": "till"}, False),
        ({"deployment": "sh*", "severity": "warning"}, True),
        ({"model_name": "fraud"}, True),
        ({"model_name": "frau"}, False),
        ({"feature_name": "pages"}, False),
        ({"name": "*"}, True),
    ],
    ids=str,
)
def test_all_matchers_must_fit(desk: Desk, matchers: dict[str, str], hit: bool) -> None:
    """Patterns of the whole text; a label that is not there is empty."""
    desk.tell(SLOW)
    made = desk.responses.silence(matchers, desk.clock.now() + HOUR, "", ANN)
    assert fits(made, desk.book.firing()[0]) is hit


@pytest.mark.parametrize(
    ("matchers", "hours", "reason", "says"),
    [
        ({}, 1.0, "", "everything.*name=\\*"),
        ({"nmae": "x"}, 1.0, "", "no 'nmae'.*Did you mean 'name'"),
        ({"name": "x" * 300}, 1.0, "", "300 characters"),
        ({"name": "x"}, -1.0, "", "is no end"),
        ({"name": "x"}, 24.0 * 400, "", "within a year"),
        ({"name": "x"}, 1.0, "a\x1b[2J", "cannot be printed"),
    ],
)
def test_a_silence_that_says_nothing_is_refused(
    desk: Desk, matchers: dict[str, str], hours: float, reason: str, says: str
) -> None:
    """With what to write instead; nothing is on record."""
    with pytest.raises(InvalidInput, match=says):
        desk.responses.silence(matchers, desk.clock.now() + hours * HOUR, reason, ANN)
    assert actions(desk) == []


def test_an_acknowledgement_is_of_this_firing(desk: Desk) -> None:
    """It ends with it; the next firing nobody is at."""
    desk.tell(SLOW)
    (state,) = desk.book.firing()
    found = desk.responses.acknowledge(state.fingerprint[:6], desk.clock.now() + HOUR, "looking", ANN)
    assert found.acknowledged is not None
    assert (found.acknowledged.by, found.acknowledged.note) == ("ann", "looking")
    assert desk.later(1, SLOW) == []
    assert desk.responses.find(state.fingerprint).acknowledged == found.acknowledged
    desk.later(1, FINE)
    desk.later(1, SLOW)
    assert desk.responses.find(state.fingerprint).acknowledged is None
    assert actions(desk) == [("alert.ack", "ann")]


def test_only_what_fires_can_be_acknowledged(desk: Desk) -> None:
    """What exists is named."""
    desk.tell(SLOW)
    (state,) = desk.book.firing()
    with pytest.raises(NoSuchAlert, match=state.fingerprint):
        desk.responses.acknowledge("ffffffff", desk.clock.now() + HOUR, "", ANN)
    desk.later(1, FINE)
    with pytest.raises(NoSuchAlert, match="fires now"):
        desk.responses.acknowledge(state.fingerprint, desk.clock.now() + HOUR, "", ANN)
    assert desk.responses.find(state.fingerprint[:4]).fingerprint == state.fingerprint
    with pytest.raises(NoSuchAlert, match="There is no alert"):
        desk.responses.find("")
