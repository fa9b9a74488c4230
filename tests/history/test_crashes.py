"""Servers are killed, others seal, others read: every acknowledged record is in the log, once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.history import PredictionLog

from .samples import ids_of

WRITER = """
import sys
from pathlib import Path
from modelyard.core import SystemClock
from modelyard.journal import Journal, PredictionRecord, TruthRecord
folder, server, most = sys.argv[1:]
journal = Journal(Path(folder), server, SystemClock(), segment_bytes=3000)
for number in range(int(most)):
    identity = f"{server}-{number}"
    records = [PredictionRecord(identity, number, "d", 1, "1", "live", "live", True, "e" * 50, (), "1", (), 9)]
    if number % 3 == 0:
        records.append(TruthRecord(identity, "d", 1, number, number, number))
    journal.append(records)
    sys.stdout.write(identity + "\\n")
    sys.stdout.flush()
"""
SEALER = """
import sys, time
from pathlib import Path
from modelyard.history import PredictionLog
log = PredictionLog(Path(sys.argv[1]), Path(sys.argv[2]))
print("ready", flush=True)
while True:
    done = log.seal()
    assert not done.damaged, done
    time.sleep(0.001)
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that run a program; those still running at the end of the test are killed."""
    started: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def said(writer: "subprocess.Popen[str]") -> list[str]:
    """What a writer that has ended or was killed had said; a last line cut short is no acknowledgement."""
    assert writer.stdout is not None
    with writer.stdout:
        lines = writer.stdout.read().split("\n")[:-1]
    writer.wait()
    return lines


def stop(process: "subprocess.Popen[str]") -> None:
    """Kill a process, which must still be running."""
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_killed_server_loses_nothing_it_acknowledged_while_another_process_seals(
    tmp_path: Path, start: Start
) -> None:
    """Ten servers, each killed at a random moment; one who seals is killed too, in the middle of it."""
    journal, folder, chance = tmp_path / "journal", tmp_path / "log", random.Random(7)
    log, expected = PredictionLog(journal, folder), set[str]()
    unsaid = 0
    sealer = start(SEALER, journal, folder)
    assert sealer.stdout is not None
    sealer.stdout.readline()
    for number in range(10):
        writer = start(WRITER, journal, f"s{number}", 10**6)
        assert writer.stdout is not None
        first = writer.stdout.readline().strip()
        time.sleep(chance.random() * 0.05)  # the moment is what is tried
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged = {first, *said(writer)}
        if number == 5:
            stop(sealer)
            sealer = start(SEALER, journal, folder)
        found = ids_of(log)
        assert len(found) == len(set(found))
        expected |= acknowledged
        assert expected <= set(found)
        unsaid += len(set(found) - expected)
        assert len(set(found) - expected) <= number + 1  # each may have died between writing and saying so
    stop(sealer)
    log.seal()
    for each in (log, PredictionLog(journal, folder)):
        stats = each.stats("d")
        assert (stats.damaged, stats.lost_bytes) == (0, 0)
        assert stats.records == stats.predictions == len(set(ids_of(each)))
        assert expected <= set(ids_of(each))
        assert stats.joined == stats.truths
        assert stats.truths >= len(expected) // 3
    assert not list(journal.rglob("*.seg"))


def test_readers_see_each_record_once_while_others_write_and_seal(tmp_path: Path, start: Start) -> None:
    """Two write, two seal, one reads all the time: never a record twice, never fewer than before, at last all."""
    journal, folder, most = tmp_path / "journal", tmp_path / "log", 1500
    log, seen, readings = PredictionLog(journal, folder), set[str](), 0
    sealers = [start(SEALER, journal, folder) for _ in range(2)]
    writers = [start(WRITER, journal, server, most) for server in "ab"]
    while any(each.poll() is None for each in writers) or readings < 5:
        found = ids_of(log)
        assert len(found) == len(set(found))
        assert seen <= set(found)
        seen, readings = set(found), readings + 1
    everything = {f"{server}-{number}" for server in "ab" for number in range(most)}
    for _ in range(3):
        found = ids_of(log)
        assert len(found) == len(everything)
        assert set(found) == everything
    for sealer in sealers:
        stop(sealer)
    assert {each for writer in writers for each in said(writer)} == everything
    assert [writer.returncode for writer in writers] == [0, 0]
    assert log.stats("d").joined == len(everything) // 3


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_call_that_returned_is_seen_by_the_next_reading(tmp_path: Path, start: Start, durability: str) -> None:
    """Also at the border of two segments, and when the reader was there before."""
    program = WRITER.replace("segment_bytes=3000", f"segment_bytes=600, durability={durability!r}")
    journal, folder = tmp_path / "journal", tmp_path / "log"
    log = PredictionLog(journal, folder)
    writer = start(program, journal, "a", 150)
    assert writer.stdout is not None
    for number, line in enumerate(writer.stdout):
        assert line.strip() == f"a-{number}"
        assert f"a-{number}" in ids_of(log)
    assert not said(writer)
