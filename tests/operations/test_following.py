"""What goes on until it is told to stop does its work a last time."""

import os
import signal
import threading
from pathlib import Path

import pytest

from modelyard.core import Micros, SystemClock, Unavailable
from modelyard.journal import Journal, TruthRecord
from modelyard.operations import carry_out
from modelyard.operations.following import followed, signals
from modelyard.operations.shipping import ShipTo, ship_log
from modelyard.streams import open_stream
from modelyard.wiring import Project

NOW = Micros(1_770_000_000_000_000)


def test_it_is_done_once_more_after_the_stop() -> None:
    """What came in between is not left behind."""
    stop = threading.Event()
    done: list[int] = []

    def once() -> int:
        done.append(len(done))
        if len(done) == 3:
            stop.set()
        return len(done)

    assert followed(once, rest_s=0.0, stop=stop) == 4


def test_what_is_away_at_the_end_is_an_error() -> None:
    """Before, it is only tried again."""
    stop, tries = threading.Event(), []

    def once() -> None:
        tries.append(1)
        stop.set()
        raise Unavailable("The store is away.")

    with pytest.raises(Unavailable, match="away"):
        followed(once, stop=stop)
    assert len(tries) == 2


def test_the_first_signal_asks_and_the_second_ends() -> None:
    """And afterwards signals mean what they meant before."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set()
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_shipper_that_is_told_to_stop_ships_what_was_written_meanwhile(tmp_path: Path) -> None:
    """As a pod ends: its server writes while it drains, and the sidecar goes last. The file for probes beats."""
    (tmp_path / "modelyard.yaml").write_text("project: here\n")
    beat, address = tmp_path / "beat", f"local:{tmp_path}/streams/model_predictions?create=true"
    project = Project(tmp_path, environment={})
    journal = Journal(project.workspace / "journal", "server-1", SystemClock())

    def write(name: str) -> None:
        journal.append([TruthRecord(name, "shop", 1, NOW, NOW, NOW)])

    def drain() -> None:
        while not beat.exists():
            pass
        write("while draining")
        os.kill(os.getpid(), signal.SIGTERM)

    write("before")
    draining = threading.Thread(target=drain)
    draining.start()
    told = carry_out(ship_log, project, ShipTo(to=address, follow=True, beat=beat))
    draining.join()
    journal.close()
    project.close()
    assert told["lost"] == 0
    with open_stream(address) as stream, stream.consumer("all") as consumer:
        assert len(consumer.receive(10, 1.0)) == 2
