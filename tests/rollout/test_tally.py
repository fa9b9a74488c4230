"""What counts for which arm, and that it does not matter in how many looks it is counted."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import given, settings

from modelyard.rollout import Tally
from modelyard.rollout.entities import BAD, MOST, SEEN, Entities, packed, unpacked
from modelyard.rollout.tally import GUARDRAILS, count
from modelyard.stats import BadEvent, rollback_evidence

SHARES = {1: 0.1, 2: 0.5, 3: 1.0}
SCHEMA = pa.schema(
    [("prediction_id", pa.string()), ("generation", pa.int64()), ("arm", pa.string()), ("role", pa.string()),
     ("answered", pa.bool_()), ("entity", pa.string()), ("latency_us", pa.int64()), ("error", pa.string())]
)  # fmt: skip


def row(identity: object, arm: str = "live", **other: Any) -> dict[str, Any]:
    """A record of an answer in a tenth of a millisecond, unless told otherwise."""
    error = other.get("error")
    standard = {
        "prediction_id": str(identity), "generation": 2, "arm": arm, "role": arm, "answered": error is None,
        "entity": None, "latency_us": 100, "error": None,
    }  # fmt: skip
    return {**standard, **other}


def counted(
    *looks: Sequence[Mapping[str, Any]], entities: Entities | None = None, shares: Mapping[int, float] = SHARES
) -> Tally:
    """The tally after some looks."""
    tally = Tally.begin(0.01, quality=False)
    for rows in looks:
        table = pa.Table.from_pylist(list(rows), SCHEMA)
        tally = count(tally, table, shares, entities, arm="canary", objective_ms=200)
    return tally


def units(tally: Tally) -> tuple[int, int, int, int]:
    """The candidate's rows and bad ones, and live's."""
    return tally.rows, tally.rows_bad, tally.live_rows, tally.live_rows_bad


def test_failures_count_for_the_arm_that_was_assigned() -> None:
    """The canary's, which live answered, and live's own, which nobody answered; live's help counts for neither."""
    rows = [
        row(1, "canary"),
        row(2, "canary", error="model"),
        row(2, "live"),
        row(3, "live", error="timeout"),
        row(4, "live"),
        row(5, "canary", latency_us=300_000),
    ]
    tally = counted(rows)
    assert units(tally) == (3, 2, 2, 1)
    assert {name: (each.canary_bad, each.live_bad) for name, each in tally.guardrails.items()} == {
        "errors": (1, 0), "timeouts": (0, 1), "invalid_outputs": (0, 0), "latency": (1, 0),
    }  # fmt: skip


def test_where_nothing_is_timed_a_slow_answer_is_a_good_one() -> None:
    """And no part of alpha is kept for slow ones."""
    table = pa.Table.from_pylist([row(1, "canary", latency_us=300_000), row(2, "canary", error="timeout")], SCHEMA)
    untimed = Tally.begin(0.01, quality=True, timed=False)
    tally = count(untimed, table, SHARES, None, arm="canary", objective_ms=None)
    assert units(tally) == (2, 1, 0, 0)
    assert list(tally.guardrails) == ["errors", "timeouts", "invalid_outputs", "quality"]


def test_a_refused_row_is_the_canarys_fault_only_where_live_takes_it() -> None:
    """Also when that is known at a later look; what both refuse, or live alone, is the caller's."""
    refused = row(1, "canary", error="input")
    assert units(counted([refused])) == (0, 0, 0, 0)
    assert units(counted([refused], [row(1)])) == units(counted([refused, row(1)])) == (1, 1, 0, 0)
    both = [row(2, "canary", error="input"), row(2, error="input")]
    assert units(counted(both)) == units(counted([row(3, error="input")])) == (0, 0, 0, 0)


def test_shadows_other_generations_and_arms_without_a_partner_count_for_nothing() -> None:
    """At a share of 1 a bad event tells nothing of the other arm."""
    rows = [
        row(1, "copy", role="shadow", error="model"),
        row(2, "canary", generation=9, error="model"),
        row(3, "canary", generation=3, error="model"),
    ]
    assert counted(rows) == Tally.begin(0.01, quality=False)


def test_an_entity_counts_once() -> None:
    """Its first request, and its first bad event of each kind; as it moves to the canary, there once more."""
    entities = Entities("r")
    ana = [row(n, entity="ana", error="model" if n > 1 else None) for n in range(1, 5)]
    moved = [row(n, "canary", entity="ana", error="model") for n in range(5, 8)]
    tally = counted(ana, moved, entities=entities)
    assert (tally.guardrails["errors"].live_bad, tally.guardrails["errors"].canary_bad) == (1, 0)
    assert (tally.requests, tally.bad) == (1, 1)
    assert tally.shares.counts == (((0.5, 0.5), (0, 1)),)
    assert units(tally) == (3, 3, 4, 3)


def test_the_evidence_is_that_of_the_events() -> None:
    """As the states of `stats` have it, at each event's share."""
    rows = [row(n, "canary" if n % 3 else "live", error="model", generation=1 + n % 2) for n in range(30)]
    events = [BadEvent(SHARES[1 + n % 2], bool(n % 3)) for n in range(30)]
    assert counted(rows).guardrails["errors"].value == pytest.approx(rollback_evidence(events))


ROWS = st.lists(
    st.builds(
        row,
        st.integers(0, 8),
        st.sampled_from(["live", "canary"]),
        generation=st.sampled_from([1, 2, 3, 4]),
        entity=st.sampled_from([None, "a", "b", "c"]),
        error=st.sampled_from([None, None, "input", "model", "timeout"]),
        latency_us=st.sampled_from([1, 300_000]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, cuts=st.lists(st.integers(0, 25), max_size=4), sticky=st.booleans())
def test_it_does_not_matter_in_how_many_looks_it_is_counted(
    rows: list[dict[str, Any]],
    cuts: list[int],
    sticky: bool,
) -> None:
    """Up to what floating-point sums do."""
    edges = [0, *sorted(cuts), len(rows)]
    pieces = [rows[one:other] for one, other in pairwise(edges)]
    whole = counted(rows, entities=Entities("r") if sticky else None)
    parts = counted(*pieces, entities=Entities("r") if sticky else None)
    assert units(parts) == units(whole)
    assert parts.open == whole.open
    assert (parts.requests, parts.bad) == (whole.requests, whole.bad)
    for name in GUARDRAILS:
        assert parts.guardrails[name].value == pytest.approx(whole.guardrails[name].value)
    assert parts.promotion.value == pytest.approx(whole.promotion.value)
    assert parts.shares.value == pytest.approx(whole.shares.value)


def test_entities_are_a_fair_sample_when_there_are_too_many() -> None:
    """Whoever is left out stays out, whoever is in counts once, and how many are in is what memory allows."""
    entities = Entities("r")
    for number in range(MOST * 3):
        entities.first(str(number), SEEN)
    assert MOST / 2 * 0.9 < len(entities) <= MOST
    assert not any(entities.first(str(number), SEEN) for number in range(MOST * 3))
    assert unpacked(packed(entities.marks)) == entities.marks
    again = Entities("r", unpacked(packed(entities.marks)))
    assert again.marks == entities.marks
    marked = sum(entities.first(str(number), BAD << 4) for number in range(MOST * 3))
    assert marked == len(entities)
