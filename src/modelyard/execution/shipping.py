"""What goes between processes: calls there, answers back. Pickled apart, so that what cannot be read harms no frame."""

import pickle
import traceback
from collections.abc import Callable
from typing import Any

from .contract import Failure, Outcome
from .errors import NotPicklable
from .records import Answer, Ended, Raised

MOST_BYTES = 64 * 1024 * 1024
"""The longest pickle of a call or a value."""

LONGEST_MESSAGE = 2000
LONGEST_TRACEBACK = 20_000


def pack_call(function: Callable[..., Any], arguments: tuple[Any, ...], whose: str) -> bytes:
    """The pickle of a call; NotPicklable says what of it, named `whose`, cannot travel."""
    called = getattr(function, "func", function)  # of a partial
    name = getattr(called, "__qualname__", type(called).__qualname__)
    if getattr(called, "__module__", None) == "__main__":
        raise NotPicklable(
            f"{whose} calls {name}, which is defined in the program itself (__main__).",
            context={"function": name},
            remedy="Move it to a module in a file of its own, which other processes can import.",
        )
    try:
        call = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # pickling runs methods of the user's classes, which may raise anything
        raise NotPicklable(
            f"{whose} cannot be sent to another process: {_message(error)}.",
            context={"function": name},
            remedy="Call a function at the top of a module, with arguments of plain data.",
        ) from error
    if len(call) > MOST_BYTES:
        raise NotPicklable(
            f"{whose} has arguments of {len(call):,} bytes; at most {MOST_BYTES:,} can be sent.",
            context={"bytes": len(call)},
            remedy="Write them to a file and send its path.",
        )
    return call


def called(call: bytes) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function and arguments of a call; NotPicklable when this process cannot load them."""
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 - from the process that started this one
    except Exception as error:  # importing the user's module may raise anything
        raise NotPicklable(
            f"The function or its arguments cannot be loaded in another process: {type(error).__name__}: "
            f"{_message(error)}.",
            remedy="Keep them in modules that a fresh process can import.",
        ) from error
    return function, arguments


def packed_value(value: Any) -> bytes:
    """The pickle of what a task returned; NotPicklable says why there is none."""
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # as above
        raise NotPicklable(
            f"It returned a {type(value).__qualname__}, which cannot be sent back: {_message(error)}.",
            remedy="Return plain data, or write a file and return its path.",
        ) from error
    if len(data) > MOST_BYTES:
        raise NotPicklable(
            f"It returned {len(data):,} bytes; at most {MOST_BYTES:,} can be sent back.",
            context={"bytes": len(data)},
            remedy="Write a file and return its path.",
        )
    return data


def packed_error(error: BaseException, shown: BaseException | None = None) -> Raised:
    """What was raised, with the traceback of `shown` or its own; its first frame is ours and left out."""
    shown = shown or error
    trace = shown.__traceback__
    text = _text(shown.with_traceback(None if trace is None else trace.tb_next))
    return Raised(_name(type(error)), _message(error), text, _packed_exception(error))


def outcome_of(ended: Ended) -> Outcome:
    """The outcome of a task that ended, its value or exception unpacked."""
    if ended.answer is None:
        error = None if ended.error is None else failure_of(ended.error)
        return Outcome(ended.id, ended.state, error=error, seconds=ended.seconds)
    value, failure = _unpacked(ended.answer)
    return Outcome(ended.id, "done" if failure is None else "failed", value, failure, ended.seconds)


def _unpacked(answer: Answer) -> tuple[Any, Failure | None]:
    """The value, or the failure; a value that cannot be read here is a failure."""
    if answer.raised is not None:
        return None, _failure(answer.raised)
    try:
        return pickle.loads(answer.value or b""), None  # noqa: S301 - from a process that this one started
    except Exception as error:  # classes of the user's may raise anything
        unreadable = NotPicklable(
            f"What it returned cannot be read here: {type(error).__name__}: {_message(error)}.",
            remedy="Return plain data, or write a file and return its path.",
        )
        return None, failure_of(unreadable)


def failure_of(error: BaseException) -> Failure:
    """A failure that is an error of this room."""
    return Failure(_name(type(error)), _message(error), "", error)


def _failure(raised: Raised) -> Failure:
    exception: BaseException | None = None
    if raised.exception is not None:
        try:
            exception = pickle.loads(raised.exception)  # noqa: S301 - as above
        except Exception:  # the message and the traceback are there; many exceptions pickle and do not unpickle
            exception = None
    return Failure(raised.type, raised.message, raised.traceback, exception)


def _packed_exception(error: BaseException) -> bytes | None:
    try:
        data = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
    except Exception:  # then its name, message and traceback must do
        return None
    return data if len(data) <= MOST_BYTES else None


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the user's own __str__
        return "its message cannot be shown"
    return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"


def _text(error: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(error))
    except Exception:  # as above
        text = "".join(traceback.format_tb(error.__traceback__))
    return text if len(text) <= LONGEST_TRACEBACK else "…" + text[1 - LONGEST_TRACEBACK :]
