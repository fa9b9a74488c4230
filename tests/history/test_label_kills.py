"""Adding a file of labels is killed again and again: none is lost, and none is on record twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import ManualClock
from modelyard.history import LabelColumns, add_labels

from .samples import Yard, prediction

ROWS = 600
CHILD = """
import sys
from datetime import datetime
from pathlib import Path
import pyarrow.parquet as pq
from modelyard.core import ManualClock
from modelyard.history import LabelColumns, PredictionLog, add_labels
folder = Path(sys.argv[1])
log = PredictionLog(folder / "journal", folder / "log")
table = pq.read_table(folder / "labels.parquet")

def told():
    for batch in table.to_batches(max_chunksize=20):
        print("batch", flush=True)
        yield batch

add_labels(log, "d", told(), LabelColumns(), ManualClock(datetime.fromisoformat(sys.argv[2])))
"""


def killed(tmp_path: Path, clock: ManualClock, kills: int) -> None:
    """Kill the adding after so many batches, at every try after a few more; then let it end."""
    yard = Yard(tmp_path, clock)
    yard.journal.append([prediction(f"p{number}", clock.now()) for number in range(ROWS)])
    yard.log.seal()
    labels = pa.table({"prediction_id": [f"p{at}" for at in range(ROWS)], "label": [str(at % 3) for at in range(ROWS)]})
    pq.write_table(labels, tmp_path / "labels.parquet")
    command = [sys.executable, "-c", CHILD, str(tmp_path), clock.now().isoformat()]
    on_record = 0
    for number in range(kills):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(2 + number % 7):
            assert process.stdout.readline() == "batch\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        before, on_record = on_record, len(yard.log.truths("d"))
        assert on_record >= max(before, 20 * (1 + number % 7))  # a batch is on record before the next is asked for
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = yard.log.labelled("d")
    assert dict(zip(found.column("prediction_id").to_pylist(), found.column("label").to_pylist(), strict=True)) == {
        f"p{at}": str(at % 3) for at in range(ROWS)
    }
    assert len(yard.log.truths("d")) == ROWS
    again = add_labels(yard.log, "d", labels.to_batches(), LabelColumns(), clock)
    assert again.added == 0


def test_no_label_is_lost_or_doubled_by_a_kill(tmp_path: Path, clock: ManualClock) -> None:
    """Killed twice, then run to its end: every label counts once, as if nothing had happened."""
    killed(tmp_path, clock, kills=2)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_label_is_lost_or_doubled_by_two_hundred_kills(tmp_path: Path, clock: ManualClock) -> None:
    """The same two hundred times."""
    killed(tmp_path, clock, kills=200)
