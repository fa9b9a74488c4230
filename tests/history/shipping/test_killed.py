"""Shippers and ingesters that are killed at any moment lose and double nothing."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelyard.history import (
    Ingested,
    Ingester,
)
from modelyard.history.shipping.numbers import Numbers
from modelyard.journal import (
    Family,
    Record,
)
from modelyard.streams import Consumer, open_stream

from .machines import Machines

SHIPPER = """
import sys
from pathlib import Path
from modelyard.history import Shipper
from modelyard.streams import open_stream
here, address = Path(sys.argv[1]), sys.argv[2]
shipper = Shipper(here / "journal", here / "log", "there", open_stream(address))
print("ready", flush=True)
while True:
    shipper.ship()
"""
INGESTER = """
import sys
from pathlib import Path
from modelyard.core import SystemClock
from modelyard.history import Ingester
from modelyard.streams import ConsumerOptions, open_stream
there, address = Path(sys.argv[1]), sys.argv[2]
ingester = Ingester(there / "journal", there / "log", there / "received.db", SystemClock())
consumer = open_stream(address).consumer("log", ConsumerOptions(in_flight=20000, redeliver_s=1.0, deliveries=1000))
print("ready", flush=True)
while True:
    ingester.run(consumer, rows=50, seconds=0.05)
"""


def killed(machines: Machines, kills: int, seed: int) -> None:
    """Kill who ships and who takes in, again and again while records are written and sealed; in the end logs agree."""
    chance, number = random.Random(seed), 0
    programs = [(SHIPPER, machines.here), (INGESTER, machines.there)]
    with open_stream(machines.address) as stream:
        stream.publish([])
    for kill in range(kills):
        program, folder = programs[kill % 2]
        command = [sys.executable, "-c", program, str(folder), machines.address]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        end = time.monotonic() + chance.random() * 0.3
        while time.monotonic() < end:
            machines.write(*(f"r{number + each}" for each in range(20)))
            number += 20
            if chance.random() < 0.1:
                machines.seal()
                machines.log.compact(everything=chance.random() < 0.5)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    machines.ship()
    machines.ingest()
    machines.agree()
    assert not list(machines.there.rglob("*.incoming"))
    with sqlite3.connect(machines.there / "received.db") as database:
        assert database.execute("SELECT COUNT(*) FROM to_place").fetchone() == (0,)
    database.close()


def test_killed_shippers_and_ingesters_lose_and_double_nothing(machines: Machines) -> None:
    """A few of each."""
    killed(machines, kills=4, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_hundreds_of_killed_shippers_and_ingesters(tmp_path: Path) -> None:
    """Forty rounds of ten."""
    for seed in range(40):
        machines = Machines(tmp_path / str(seed))
        killed(machines, kills=10, seed=seed)
        machines.journal.close()
        machines.stream.close()


def test_a_crash_between_the_steps_of_taking_in_is_made_good(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the ranges are written, after them, and before the messages are acknowledged."""
    machines.write(*(f"a{number}" for number in range(6)))
    machines.ship()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    def written_only(self: Ingester, _: object, fresh: dict[Family, list[Record]], __: Numbers) -> None:
        self._write("truths", fresh["truths"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Ingester, "_place", lambda _, __, files: crash() if files else None)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    assert len(machines.copy.predictions("d")) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Consumer, "acknowledge", crash)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    machines.agree()
    assert machines.ingest() == Ingested(0, again=8)
    machines.agree()
    machines.write("b")
    machines.ship()
    with monkeypatch.context() as patch:
        patch.setattr(Ingester, "_keep", written_only)
        with pytest.raises(KeyboardInterrupt):
            machines.ingest()
    assert list(machines.there.rglob("*.incoming"))
    assert machines.ingest() == Ingested(2)
    assert not list(machines.there.rglob("*.incoming"))
    machines.agree()
