"""Records, segments' bytes, and a server in a process of its own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from modelyard.core import Micros, SystemClock
from modelyard.journal import Journal, JournalUnavailable, PredictionRecord, Record, SegmentRead, TruthRecord, segments


def prediction(identity: str, *, at: int = 0, arm: str = "live") -> PredictionRecord:
    """A small prediction record."""
    return PredictionRecord(
        identity, Micros(at), "d", 1, "1", arm, "live", True, "e", (1.5, None, "é"), "1", (0.7,), 99
    )


def truth(identity: str, *, at: int = 0) -> TruthRecord:
    """A small truth record."""
    return TruthRecord(identity, "d", 1, Micros(at), Micros(2), Micros(3))


def segment_bytes(folder: Path, records: Sequence[PredictionRecord]) -> tuple[bytes, list[int]]:
    """The bytes of a segment with these records, and where the header and each of the frames end."""
    journal, ends = Journal(folder, "s", SystemClock()), [16]
    for record in records:
        journal.append([record])
        (segment,) = segments(folder, "predictions")
        ends.append(segment.path.stat().st_size)
    data = segment.path.read_bytes()
    journal.close()
    return data, ends


def identities(found: SegmentRead) -> list[str]:
    """The prediction ids of what was read."""
    return [each.prediction_id for each in found.records if isinstance(each, PredictionRecord)]


def start_writer(folder: Path, server: str, *, segment_size: int = 4000, most: int = 10**6) -> "subprocess.Popen[str]":
    """A process that appends records and prints the id of each after it was acknowledged."""
    program = [sys.executable, str(Path(__file__)), str(folder), server, str(segment_size), str(most)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def acknowledged(writer: "subprocess.Popen[str]") -> list[str]:
    """What a writer that has ended or was killed had still said; a last line cut short is no acknowledgement."""
    assert writer.stdout is not None
    with writer.stdout:
        lines = writer.stdout.read().split("\n")[:-1]
    writer.wait()
    return lines


def _write(folder: str, server: str, segment_size: str, most: str) -> None:
    journal = Journal(Path(folder), server, SystemClock(), segment_bytes=int(segment_size))
    for number in range(int(most)):
        identity = f"{server}-{number}"
        records: list[Record] = [prediction(identity)]
        try:
            journal.append([*records, truth(identity)] if number % 3 == 0 else records)
        except JournalUnavailable:
            continue
        sys.stdout.write(f"{identity}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _write(*sys.argv[1:])
