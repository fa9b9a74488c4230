"""Memory does not grow with the file."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
from modelyard.data import ReadOptions, open_data
for path in sys.argv[1:]:
    rows = sum(len(batch) for batch in open_data(path, ReadOptions(block_bytes=1 << 20)).batches())
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def repeated(path: Path, head: str, body: str, times: int) -> Path:
    """A gzip file of one member after another: of any size, and quickly written."""
    path.write_bytes(gzip.compress(head.encode()) + gzip.compress(body.encode()) * times)
    return path


BODIES = {
    "csv": ("id,amount,name,at\n", "12345,0.125,somebody's name,2026-01-31T10:00:00Z\n" * 10_000),
    "jsonl": ("", '{"id": 12345, "amount": 0.125, "name": "somebody"}\n' * 10_000),
}


def grows(kind: str, small: int, large: int, folder: Path) -> int:
    """By how much the most memory of a process grows from reading a small file to reading a large one (MiB)."""
    head, body = BODIES[kind]
    paths = [repeated(folder / f"{times}.{kind}.gz", head, body, times) for times in (small, large)]
    ran = subprocess.run([sys.executable, "-c", SCRIPT, *paths], capture_output=True, text=True, check=True)
    rows, peaks = zip(*([int(each) for each in line.split()] for line in ran.stdout.splitlines()), strict=True)
    assert rows == (small * 10_000, large * 10_000)
    return int(peaks[1] - peaks[0])


@pytest.mark.long
@pytest.mark.parametrize(("kind", "small", "large"), [("csv", 20, 80), ("jsonl", 3, 7)])
def test_memory_does_not_grow_with_the_file(kind: str, small: int, large: int, tmp_path: Path) -> None:
    """Here 10 and 40 MB of CSV, 1.5 and 3.5 MB of JSONL, which would take several times that in memory."""
    assert grows(kind, small, large, tmp_path) < 25


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "large"), [("csv", 3000), ("jsonl", 600)])
def test_memory_does_not_grow_with_a_large_file(kind: str, large: int, tmp_path: Path) -> None:
    """1.5 GB of CSV; 0.3 GB of JSONL, which is read record by record."""
    assert grows(kind, 40, large, tmp_path) < 60
