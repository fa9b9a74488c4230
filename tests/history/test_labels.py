"""Labels that come in tables find their predictions, and come to be on record once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from modelyard.core import ManualClock
from modelyard.history import Added, InvalidLabels, LabelColumns, add_labels

from .samples import Yard, prediction

HOUR = timedelta(hours=1)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """A journal and log with an answer an hour to one entity."""
    yard = Yard(tmp_path, clock)
    answers = [prediction(f"p{hour}", clock.now() + hour * HOUR) for hour in range(4)]
    yard.journal.append([msgspec.structs.replace(each, entity="ann") for each in answers])
    return yard


def add(yard: Yard, rows: Mapping[str, object], columns: LabelColumns | None = None, **named: Any) -> Added:
    """Add a table of labels."""
    return add_labels(yard.log, "d", pa.table(dict(rows)).to_batches(), columns or LabelColumns(), yard.clock, **named)


def labels(yard: Yard) -> dict[str, str]:
    """The label that counts of each prediction."""
    found = yard.log.labelled("d")
    return dict(zip(found.column("prediction_id").to_pylist(), found.column("label").to_pylist(), strict=True))


def test_a_table_may_be_added_again_and_again(yard: Yard, clock: ManualClock) -> None:
    """What is on record is not put there twice, sealed or not, with a time in the table or without."""
    plain = {"prediction_id": ["p0", "p1", "p2"], "label": [1, 0, None]}
    timed = {
        "prediction_id": ["p3", "unknown"],
        "label": [1, 1],
        "available_at": ["2030-01-01", "2030-01-01T02:00+02:00"],
    }
    assert add(yard, plain) == Added(rows=3, added=2, unlabelled=1)
    assert add(yard, timed) == Added(rows=2, added=2, early=1, newest=datetime.fromisoformat("2030-01-01T00:00Z"))
    assert labels(yard) == {"p0": "1", "p1": "0", "p3": "1"}
    clock.advance(HOUR)
    for _ in range(2):
        assert (add(yard, plain).known, add(yard, timed).known) == (2, 2)
        yard.journal.rotate()
        yard.log.seal()
    assert yard.log.stats("d").truths == 4
    assert len(yard.log.truths("d")) == 4


def test_a_correction_is_added_and_an_older_truth_changes_nothing(yard: Yard) -> None:
    """The label available last counts, in whatever order they come."""
    add(yard, {"prediction_id": ["p0"], "label": ["late"], "available_at": ["2030-01-02"]})
    add(yard, {"prediction_id": ["p0"], "label": ["early"], "available_at": ["2030-01-01"]})
    assert labels(yard) == {"p0": "late"}
    add(yard, {"prediction_id": ["p0"], "label": ["corrected"], "available_at": ["2030-01-03"]})
    assert labels(yard) == {"p0": "corrected"}
    coverage = yard.log.coverage("d", as_of=datetime.fromisoformat("2031-01-01T00:00Z"))
    assert (coverage.predictions, coverage.labelled, coverage.truths, coverage.corrected) == (4, 1, 3, 2)


def test_an_entity_s_label_is_of_its_last_answer_within_the_tolerance(yard: Yard, clock: ManualClock) -> None:
    """At or before the label's time; without an answer there it waits in the table, and is counted."""
    noon = clock.now()
    rows = {
        "entity": ["ann", "ann", "ann", "bob"],
        "at": [noon, noon + 1.5 * HOUR, noon + 9 * HOUR, noon],
        "label": [1.0, 2.0, 3.0, 4.0],
    }
    assert add(yard, rows) == Added(rows=4, added=2, unmatched=2)
    assert labels(yard) == {"p0": "1", "p1": "2"}
    assert add(yard, rows, LabelColumns(tolerance=6 * HOUR)).added == 1
    assert labels(yard) == {"p0": "1", "p1": "2", "p3": "3"}


def test_with_since_only_new_rows_are_looked_at(yard: Yard) -> None:
    """What a source that is read again and again saves by."""
    rows = {"prediction_id": ["p0", "p1"], "label": [1, 1], "available_at": ["2030-01-01", "2030-01-05"]}
    assert add(yard, rows, since=datetime.fromisoformat("2030-01-03T00:00Z")).added == 1
    assert labels(yard) == {"p1": "1"}


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ({"prediction_id": ["p0"], "truth": [1]}, "no column 'label'"),
        ({"label": [1], "who": ["ann"]}, "no column 'entity'"),
        ({"label": [1], "entity": ["ann"]}, "no column 'at'"),
        ({"prediction_id": ["p0", None], "label": [1, 1]}, "Row 2, column 'prediction_id': it is empty"),
        ({"prediction_id": ["p0"], "label": [1], "at": ["yesterday"]}, "'yesterday' is no instant"),
        ({"prediction_id": ["p0"], "label": [1], "at": [7]}, "'7' is no instant"),
        ({"prediction_id": ["p0"], "label": [float("nan")]}, "nan is no label"),
        ({"prediction_id": ["p0"], "label": [[1]]}, "is no label"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_place(
    yard: Yard, rows: dict[str, Sequence[Any]], what: str
) -> None:
    """And nothing of that batch is on record."""
    with pytest.raises(InvalidLabels, match=what):
        add(yard, rows)
    assert labels(yard) == {}
