"""Locks of files: one at a time, at once or after waiting, and never two that hold two files of one name."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelyard.core import locks

HOLD = """
import sys
from pathlib import Path
from modelyard.core.locks import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_holds_it_and_the_others_are_told_or_wait(tmp_path: Path) -> None:
    """Who asks at once is refused while it is held; who waits has it afterwards. The folder is made."""
    lock = tmp_path / "new" / "lock"
    order: list[str] = []

    def wait() -> None:
        with locks.alone(lock):
            order.append("second")

    with ThreadPoolExecutor() as pool:
        with locks.alone(lock):
            with locks.alone_at_once(lock) as taken:
                assert not taken
            waiting = pool.submit(wait)
            order.append("first")
        waiting.result()
    assert order == ["first", "second"]
    assert lock.exists()


def test_readers_hold_it_together_and_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    """In a folder that is not there nobody is kept out, for there is nothing to read."""
    lock = tmp_path / "lock"
    with locks.shared(lock), locks.shared(lock), locks.alone_at_once(lock) as taken:
        assert not taken
    with locks.alone_at_once(lock) as taken:
        assert taken
    with locks.shared(tmp_path / "none" / "lock"):
        assert not (tmp_path / "none").exists()


def test_it_ends_with_its_holder_whatever_ends_that(tmp_path: Path) -> None:
    """`kill -9` of another process."""
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with locks.alone_at_once(lock) as taken:
            assert not taken
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locks.alone_at_once(lock) as taken:
        assert taken


def test_a_lock_whose_file_was_removed_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking, its last holder took the file away: a third one holds the new file of that name."""
    lock = tmp_path / "lock"
    opened = os.open
    first = True

    def removed_meanwhile(path: Path, *given: int) -> int:
        nonlocal first
        descriptor = opened(path, *given)
        if first:
            first = False
            lock.unlink()
        return descriptor

    monkeypatch.setattr(os, "open", removed_meanwhile)
    with locks.alone_at_once(lock) as taken:
        assert taken
        with locks.alone_at_once(lock) as again:
            assert not again


def test_of_many_that_remove_it_afterwards_one_is_inside_at_a_time(tmp_path: Path) -> None:
    """A thousand tries of four threads; the file is gone in the end."""
    lock, inside, most, counting = tmp_path / "lock", 0, 0, threading.Lock()

    def visit(_: int) -> bool:
        nonlocal inside, most
        with locks.alone_at_once(lock, remove=True) as taken:
            if taken:
                with counting:
                    inside += 1
                    most = max(most, inside)
                with counting:
                    inside -= 1
            return taken

    with ThreadPoolExecutor(4) as pool:
        assert any(list(pool.map(visit, range(1000))))
    assert most == 1
    assert not lock.exists()
