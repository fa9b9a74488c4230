"""The flights project's own facts: what the join finds, and which features would be leaks."""

from pathlib import Path

import pyarrow as pa
import pytest

from modelyard.core import Verdict
from modelyard.data import check_leaks, load_function
from modelyard.features import load_definitions, point_in_time_join

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture(scope="module")
def joined() -> pa.Table:
    """Every flight with its weather, congestion and plane."""
    flights = load_function("loader.py:all_flights", FLIGHTS)()
    views = load_definitions(FLIGHTS / "features.py").views.values()
    return point_in_time_join(flights, views, event_time="prediction_time")


def test_the_join_finds_what_was_known(joined: pa.Table) -> None:
    """336,776 flights; some 815 without weather, 16,925 without departures in three hours, 52,606 unknown planes."""
    assert len(joined) == 336_776
    assert abs(joined.column("temp").null_count - 815) <= 5
    assert abs(joined.column("departures").null_count - 16_925) <= 50
    assert joined.column("seats").null_count == 52_606
    assert joined.column("label_known_at").null_count == 8_255 + 1_175


def test_a_leaked_departure_delay_fails_the_check_and_honest_features_pass(joined: pa.Table) -> None:
    """`dep_delay` is not known an hour before departure, and tells the label by itself."""
    labelled = joined.drop_null().slice(0, 20_000)
    labels = labelled.column("late").to_pylist()
    honest = {name: labelled.column(name).to_pylist() for name in ("carrier", "dest", "hour", "temp", "share_late")}
    assert check_leaks(honest, labels).verdict is Verdict.PASS
    leaky = check_leaks({**honest, "dep_delay": labelled.column("dep_delay").to_pylist()}, labels)
    assert leaky.verdict is Verdict.FAIL
    assert "Feature 'dep_delay' alone tells the label with AUC 0.9" in leaky.reasons[0]
