"""Answers of jobs go on record in the prediction log, each once."""

import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import NOON, training_table
from tests.history.samples import prediction

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.data import read_table
from modelyard.history import PredictionLog
from modelyard.inference import Bundle, load_bundle
from modelyard.journal import Journal
from modelyard.scoring import BatchJob, LogInto, NotScorable, score_batch

ROWS = 200


@pytest.fixture(scope="module")
def bundle(built: BuiltBundle) -> Bundle:
    """The small model, loaded."""
    return load_bundle(built.path)


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Rows to score, the first of which the model does not take, each with a time of its own."""
    table = training_table(ROWS, seed=7)
    amounts = table.column("amount").to_pylist()
    table = table.set_column(0, "amount", pa.array([None, *amounts[1:]]))
    times = [NOON - timedelta(minutes=at) for at in range(ROWS)]
    pq.write_table(table.append_column("at", pa.array(times)), tmp_path / "in.parquet")
    return str(tmp_path / "in.parquet")


def log_of(folder: Path) -> PredictionLog:
    """The log of a folder."""
    return PredictionLog(folder / "journal", folder / "log")


def test_records_say_what_the_output_says(source: str, bundle: Bundle, tmp_path: Path) -> None:
    """With the same prediction ids, the values before encoding, and the times of the rows; what is refused has none."""
    into = LogInto(tmp_path / "journal", "nightly", event_time="at")
    job = BatchJob(source, str(tmp_path / "out.parquet"), ids=True, log=into)
    done = score_batch(job, bundle, clock=ManualClock(NOON), version="7", part_rows=64)
    out = read_table(job.output).sort_by("prediction_id")
    found = log_of(tmp_path).predictions("nightly").sort_by("prediction_id")
    assert (done.refused, len(found)) == (1, ROWS - 1)
    assert found.column("prediction_id").to_pylist() == out.column("prediction_id").to_pylist()
    assert found.column("scores").to_pylist() == [[each] for each in out.column("score").to_pylist()]
    assert found.column("event_us").to_pylist() == out.column("at").to_pylist()
    assert found.column("feature_0").to_pylist() == out.column("amount").to_pylist()
    assert found.column("feature_1").to_pylist() == out.column("country").to_pylist()
    assert set(found.column("model_version").to_pylist()) == {"7"}
    assert set(found.column("arm").to_pylist()) == {"batch"}
    assert set(found.column("answered").to_pylist()) == {True}


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from modelyard.core import ManualClock
from modelyard.inference import load_bundle
from modelyard.scoring import BatchJob, LogInto, score_batch
from modelyard.scoring.work import LocalWork

folder, source, place, fatal, ending = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
write, left = LocalWork.write, [fatal]

def deadly(self, name, data):
    if name.endswith(".json" if ending == "done" else ".logged"):
        if left[0] == 0:
            if ending == "placed":
                write(self, name, data)
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
    write(self, name, data)

LocalWork.write = deadly
job = BatchJob(source, str(place / "out"), ids=True, resume=True, log=LogInto(place / "journal", "nightly"))
score_batch(job, load_bundle(folder), clock=ManualClock(datetime(2026, 1, 5, 12, tzinfo=UTC)), part_rows=64, threads=1)
"""
"""Scores, and kills itself: before a part's records are told of, before they are placed, or before the part is done."""


@pytest.mark.parametrize("ending", ["told", "placed", "done"])
def test_a_killed_job_records_each_answer_once(
    ending: str, source: str, built: BuiltBundle, bundle: Bundle, tmp_path: Path
) -> None:
    """Wherever it is killed, and although what it recorded is sealed, and the log has forgotten from which segments,
    before it goes on."""
    fatal = "2" if ending == "done" else "1"  # the plan of a job is the first file that ends so
    command = [sys.executable, "-c", KILLED, str(built.path), source, str(tmp_path), fatal, ending]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    log = log_of(tmp_path)
    log.seal()
    journal = Journal(tmp_path / "journal", "server", ManualClock(NOON))
    journal.append([prediction("of a server", NOON)])
    journal.close()
    log.seal()
    job = BatchJob(source, str(tmp_path / "out"), ids=True, resume=True, log=LogInto(tmp_path / "journal", "nightly"))
    score_batch(job, bundle, clock=ManualClock(NOON), part_rows=64)
    ids = log.predictions("nightly").column("prediction_id").to_pylist()
    assert len(ids) == len(set(ids)) == ROWS - 1
    assert set(ids) == set(read_table(tmp_path / "out").column("prediction_id").to_pylist())
    assert not [each for each in (tmp_path / "journal" / "predictions").iterdir() if each.suffix != ".seg"]


def test_what_an_abandoned_job_left_goes_with_the_next(
    source: str, built: BuiltBundle, bundle: Bundle, tmp_path: Path
) -> None:
    """Not while its parts are there and it may go on; then what it never placed, and nothing that it did."""
    command = [sys.executable, "-c", KILLED, str(built.path), source, str(tmp_path), "1", "told"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    folder = tmp_path / "journal" / "predictions"
    placed = sorted(folder.glob("*.seg"))
    left = sorted(each.suffix for each in folder.iterdir() if each not in placed)
    assert (len(placed), left) == (1, [".job", ".scored"])

    def another(name: str) -> None:
        job = BatchJob(source, str(tmp_path / name), log=LogInto(tmp_path / "journal", "nightly"))
        score_batch(job, bundle, clock=ManualClock(NOON), part_rows=64)

    another("first")
    assert sorted(each.suffix for each in folder.iterdir() if each.suffix != ".seg") == left
    shutil.rmtree(tmp_path / ".out.scoring")
    another("second")
    assert {each.suffix for each in folder.iterdir()} == {".seg"}
    assert all(each.exists() for each in placed)


def test_a_time_that_is_none_is_told(source: str, bundle: Bundle, tmp_path: Path) -> None:
    """Before anything is written."""
    into = LogInto(tmp_path / "journal", "nightly", event_time="country")
    with pytest.raises(NotScorable, match="'country' is string, which is no time"):
        score_batch(BatchJob(source, str(tmp_path / "out"), log=into), bundle, clock=ManualClock(NOON))
    assert not (tmp_path / "journal").exists()
