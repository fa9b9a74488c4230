"""What pages do not wait for: worked out once beside them, kept for a while, and bounded."""

import threading
from contextvars import ContextVar

import pytest

from modelyard.console import TooMuchAsked
from modelyard.console.errors import InternalError
from modelyard.console.later import Later, Worked
from modelyard.core import NotFound

DONE = Worked(done=True, value="found")
NOT_YET = Worked(done=False)
MARKED: ContextVar[str] = ContextVar("marked", default="")


class Gate:
    """Work that ends when it is let through, and counts how often it was done."""

    def __init__(self) -> None:
        self.begun, self.open, self.times = threading.Event(), threading.Event(), 0

    def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        assert self.open.wait(20)
        return "found"


def settled(later: Later, key: str) -> Worked:
    """What is told of a key once everything that was asked for before is done."""
    end = threading.Event()
    later.ask(f"after {key}", end.set)
    assert end.wait(20)
    return later.ask(key, lambda: "asked anew")


def test_who_asks_does_not_wait_for_what_takes_long() -> None:
    """Not yet, then the value; however often it is asked for, it is worked out once."""
    later, work = Later(patience=0), Gate()
    assert later.ask("one", work) == NOT_YET
    assert work.begun.wait(20)
    assert later.ask("one", work) == NOT_YET
    work.open.set()
    assert settled(later, "one") == DONE
    assert later.ask("one", work) == DONE
    assert work.times == 1
    later.close()


def test_what_is_quick_is_told_at_once() -> None:
    """Within the patience of who asks."""
    later = Later(patience=20)
    assert later.ask("one", lambda: "found") == DONE
    later.close()


def test_an_error_is_raised_for_everybody_who_asks() -> None:
    """Ours as it is; what nobody thought of as a failure of the console, and the thread lives on."""

    def missing() -> None:
        raise NotFound("It is not there.")

    def broken() -> None:
        raise ZeroDivisionError

    later = Later(patience=20)
    for _ in range(2):
        with pytest.raises(NotFound, match="not there"):
            later.ask("missing", missing)
    with pytest.raises(InternalError):
        later.ask("broken", broken)
    assert later.ask("one", lambda: "found") == DONE
    later.close()


def test_what_is_old_is_told_and_worked_out_anew() -> None:
    """Nobody waits for the second time; what it gives is told from then on."""
    now = [0.0]
    later, work = Later(patience=20, good=60, monotonic=lambda: now[0]), Gate()
    assert later.ask("one", lambda: "older").value == "older"
    now[0] = 60.0
    assert later.ask("one", work).value == "older"
    now[0] = 61.0
    assert later.ask("one", work).value == "older"
    work.open.set()
    assert settled(later, "one") == DONE
    assert work.times == 1
    later.close()


def test_what_took_long_is_good_for_longer() -> None:
    """A page that stays open asks again and again: the thread has twenty times as long for others."""
    now, times = [0.0], [0]
    later = Later(patience=20, good=60, monotonic=lambda: now[0])

    def slow() -> int:
        now[0] += 10.0
        times[0] += 1
        return times[0]

    later.ask("one", slow)
    for at in (71.0, 210.0):
        now[0] = at
        assert later.ask("one", slow).value == 1
    now[0] = 210.1
    later.ask("one", slow)
    assert settled(later, "one").value == 2
    later.close()


def test_who_does_not_wait_is_told_what_is_there() -> None:
    """Nothing yet, however patient; then the value."""
    later, work = Later(patience=1000), Gate()
    assert later.ask("one", work, wait=False) == NOT_YET
    work.open.set()
    assert later.ask("one", work) == DONE
    assert later.ask("one", work, wait=False) == DONE
    later.close()


def test_no_more_than_so_much_waits() -> None:
    """Beyond that it says so at once; what is known already is told all the same."""
    now = [0.0]
    later, work = Later(patience=0, monotonic=lambda: now[0]), Gate()
    later.ask("known", lambda: "found")
    assert settled(later, "known") == DONE
    later.ask("first", work)
    assert work.begun.wait(20)
    for number in range(8):
        assert later.ask(number, lambda: "found") == NOT_YET
    with pytest.raises(TooMuchAsked, match="8 questions"):
        later.ask("one more", lambda: "found")
    now[0] = 1000.0
    assert later.ask("known", lambda: "newer") == DONE
    work.open.set()
    later.close()


def test_no_more_than_so_much_is_kept() -> None:
    """What was asked for longest ago is forgotten first."""
    later, count = Later(patience=20), [0]

    def once() -> int:
        count[0] += 1
        return count[0]

    for key in range(64):
        later.ask(key, once)
    assert later.ask(0, once).value == 1  # asked for again: the newest now
    later.ask("one more", once)
    assert later.ask(0, once).value == 1
    assert later.ask(1, once).value == 66
    later.close()


def test_it_is_worked_out_in_the_surroundings_of_who_asked() -> None:
    """What a request has set for itself holds for its work too."""
    later, token = Later(patience=20), MARKED.set("by the page")
    assert later.ask("one", MARKED.get).value == "by the page"
    MARKED.reset(token)
    later.close()


def test_a_closed_one_works_nothing_out() -> None:
    """What waits is dropped, and the thread ends."""
    later, work = Later(patience=0), Gate()
    later.ask("first", work)
    assert work.begun.wait(20)
    waiting = Gate()
    later.ask("second", waiting)
    later.close()
    work.open.set()
    thread = later._thread
    assert thread is not None
    thread.join(20)
    assert not thread.is_alive()
    assert waiting.times == 0
