"""Windows of language models' deployments: rates by arm with their intervals, tokens, cost, thumbs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from modelyard.core import ManualClock
from modelyard.journal import Generated, Guarded
from modelyard.monitoring import AlertSettings, MonitorSettings, Window
from modelyard.monitoring.generated import rate
from modelyard.stats import wilson

from .chats import DAY, Chats, rested


@pytest.fixture
def chats(tmp_path: Path, clock: ManualClock) -> Chats:
    """An empty journal and record store."""
    return Chats(tmp_path, clock)


@pytest.fixture
def midnight(clock: ManualClock) -> datetime:
    """The midnight after the clock's noon."""
    return (clock.now() + DAY).replace(hour=0)


def only(chats: Chats, until: datetime) -> Window:
    """The one window that closes by an instant."""
    chats.clock.set(until)
    (window,) = chats.monitors().run("help")
    return window


def test_a_window_tells_what_each_arm_made_of_its_requests(chats: Chats, midnight: datetime) -> None:
    """Rates of their own kinds of rows; a shadow's answers are paid for, and nobody hears them."""
    refused = Guarded("fail", {"secret:refuse": 1}, refused=True)
    answers = [
        rested(0, 3, cache="miss", first_us=1_000),
        rested(2, 2, cache="hit", cost_micros=0, first_us=3_000),
        rested(0, 0, abstained=True, cache="miss", first_us=2_000),
        rested(0, 2, index=""),
    ]
    chats.day(midnight, answers, {0: "up", 1: "down", 2: "up", 3: "maybe"})
    chats.asked(midnight + DAY / 2, rested(guarded_output=refused), arm="canary", version="2", error="invalid_output")
    chats.asked(midnight + DAY / 3, rested(1, 1, cost_micros=None), arm="canary", version="2")
    chats.asked(midnight + DAY / 3, rested(9, 9, cost_micros=7), arm="shadow", role="shadow", version="3")
    window = only(chats, midnight + DAY)
    assert window.generated is not None
    live, shadow, canary = (
        next(each for each in window.generated.arms if each.arm == name) for name in ("live", "shadow", "canary")
    )
    assert (live.answers, live.version, live.tries) == (4, "1", 4)
    assert (live.abstained.count, live.abstained.of) == (1, 3)
    assert (live.unsupported.count, live.unsupported.of) == (2, 7)
    assert (live.cache_hits.count, live.cache_hits.of) == (1, 3)
    assert (live.thumbs.count, live.thumbs.of) == (2, 3)
    assert (live.input_tokens, live.output_tokens, live.cost_micros, live.unpriced) == (400, 80, 150, 0)
    assert live.first_ms == {"p50": 2.0, "p95": 8.0, "p99": 8.0}
    assert (canary.answers, canary.errors.count, canary.refused.count, canary.unpriced) == (1, 1, 1, 1)
    assert (shadow.answers, shadow.unsupported.count, shadow.cost_micros) == (0, 9, 7)
    whole = window.generated.whole
    assert (whole.answers, whole.tries, whole.unsupported.count, whole.cost_micros) == (5, 6, 3, 200)
    assert window.generated.cost_micros == 207
    assert (window.requests, window.errors, window.errors_by) == (5, 1, {"invalid_output": 1})
    assert (window.labels, window.foreign) == (3, 1)
    assert window.performance == {"thumbs": pytest.approx(2 / 3)}
    assert window.intervals["thumbs"] == pytest.approx(wilson(2, 3))


def test_rates_have_wilsons_interval_and_nothing_is_known_of_no_rows() -> None:
    """Of independent rows; of none neither a value nor an interval."""
    found = rate(3, 50)
    assert (found.value, found.lower, found.upper) == (0.06, *(wilson(3, 50) or ()))
    assert rate(0, 0).value is None
    assert rate(0, 0).lower is None


def test_sentences_of_one_answer_that_are_alike_count_for_less(chats: Chats, midnight: datetime) -> None:
    """Answers of ten sentences, all of them unsupported or none: the interval is that of answers, not of sentences."""
    chats.day(midnight, [rested(10 if place % 2 else 0, 10) for place in range(20)])
    window = only(chats, midnight + DAY)
    assert window.generated is not None
    found = window.generated.whole.unsupported
    assert (found.count, found.of) == (100, 200)
    assert (found.lower, found.upper) == pytest.approx(wilson(10, 20))


def test_thumbs_that_come_later_revise_the_window(chats: Chats, midnight: datetime) -> None:
    """Judged without them at its close, and once more when the next window closes; what is unchanged is left alone."""
    for place in range(30):
        at = midnight + DAY * place / 40
        chats.asked(at, rested(), thumb="down", told_after=timedelta(hours=30))
    chats.asked(midnight + DAY * 1.5, rested())
    chats.settings = MonitorSettings(window=DAY, min_labels=20, floors={"thumbs": 0.5})
    chats.clock.set(midnight + DAY)
    first = chats.monitors().run("help")[0]
    assert (first.labels, first.verdict) == (0, "inconclusive")
    chats.clock.set(midnight + 3 * DAY)
    chats.monitors().run("help")
    again, second = chats.monitors().windows("help")
    assert (again.revision, again.labels, again.performance) == (1, 30, {"thumbs": 0.0})
    assert again.verdict == "fail"
    assert "thumbs" in again.reasons[0]
    assert second.revision == 0


def test_a_record_without_what_was_made_is_a_try_and_no_more(chats: Chats, midnight: datetime) -> None:
    """A failure before any upstream was asked has neither tokens nor sentences."""
    chats.asked(midnight, Generated(), error="model")
    window = only(chats, midnight + DAY)
    assert window.generated is not None
    assert (window.requests, window.errors, window.generated.whole.unpriced) == (0, 1, 0)
    assert window.verdict == "inconclusive"


def test_unsupported_sentences_and_cost_raise_their_alerts(chats: Chats, midnight: datetime) -> None:
    """Both beyond what was declared: what is told is what is sure, and the cost of all arms."""
    chats.alerts = AlertSettings(also=("llm_cost", "unsupported_rate"), llm_cost=1.0, unsupported_rate=0.2)
    chats.__post_init__()
    chats.day(midnight, [rested(1, 2, cost_micros=20_000) for _ in range(60)])
    window = only(chats, midnight + DAY)
    assert window.generated is not None
    fired = {each.alert.name: each.alert for each in chats.book.firing()}
    assert set(fired) == {"llm_cost", "unsupported_rate"}
    assert fired["llm_cost"].metric_value == pytest.approx(1.2)
    assert fired["unsupported_rate"].metric_value == window.generated.whole.unsupported.lower


@pytest.mark.parametrize(("answers", "unsupported"), [(10, 2), (200, 0)])
def test_few_sentences_and_supported_ones_raise_none(
    chats: Chats, midnight: datetime, answers: int, unsupported: int
) -> None:
    """Twenty sentences that are all wrong are too few to tell; four hundred that are right are no alarm."""
    chats.alerts = AlertSettings(also=("llm_cost", "unsupported_rate"), llm_cost=1.0, unsupported_rate=0.2)
    chats.__post_init__()
    chats.day(midnight, [rested(unsupported, 2, cost_micros=10) for _ in range(answers)])
    only(chats, midnight + DAY)
    assert chats.book.firing() == []
