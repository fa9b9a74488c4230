"""Doing a job in this process: its own environment, its own log, and an answer whatever happens."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache

from .errors import NotPicklable
from .given import at_work_on
from .records import Answer, Job, Raised
from .shipping import called, packed_error, packed_value


def perform(job: Job) -> Answer:
    """Call the function and pack what it returns or raises; whatever it did to environment, directory and descriptors
    1 and 2 is undone. Not for several threads: those belong to the whole process.
    """
    own = os.getpid()
    began = time.perf_counter()
    try:
        with _output_to(job.log), _own_environment(job.environment), at_work_on(job):
            answer = _answer(job.call, began)
    except OSError as error:  # the log cannot be written
        answer = Answer(None, packed_error(error), time.perf_counter() - began)
    if os.getpid() != own:  # the function forked, and this is the copy
        os._exit(0)
    return answer


def _answer(call: bytes, began: float) -> Answer:
    value, raised = _call(call)
    return Answer(value, raised, time.perf_counter() - began)


def _call(call: bytes) -> tuple[bytes | None, Raised | None]:
    try:
        function, arguments = called(call)
    except NotPicklable as error:
        return None, packed_error(error, error.__cause__)
    try:
        value = function(*arguments)
    except BaseException as error:  # the edge of the user's code: exiting, too, is only its failure
        return None, packed_error(error)
    try:
        return packed_value(value), None
    except NotPicklable as error:
        return None, packed_error(error, error.__cause__)


@contextmanager
def _own_environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before, place = os.environ.copy(), _place()
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})
        if place is not None:
            with suppress(FileNotFoundError):
                os.chdir(place)


def _place() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - as text, to go back to
    except FileNotFoundError:  # somebody removed it
        return None


@contextmanager
def _output_to(log: str | None) -> Iterator[None]:
    streams = sys.stdout, sys.stderr
    saved = None if log is None else _redirected(log)
    try:
        yield
    finally:
        _flush()
        sys.stdout, sys.stderr = streams
        _flush()
        if saved is not None:
            for target, each in enumerate(saved, start=1):
                os.dup2(each, target)
                os.close(each)


def _redirected(log: str) -> tuple[int, int]:
    """Send descriptors 1 and 2 to a file; what they were."""
    folder = os.path.dirname(log)  # noqa: PTH120 - on the way of every task
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    saved = os.dup(1), os.dup(2)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    return saved


def write_lines_at_once() -> None:
    """Make Python's and C's standard output line-buffered, also into files, so that logs can be read meanwhile."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    with suppress(AttributeError, OSError, ValueError):  # no C library to be found, or none that names it like this
        library = ctypes.CDLL(None)
        library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), None, 1, 0)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # the task closed it, or put something else there
            stream.flush()
    if (library := _c_library()) is not None:
        library.fflush(None)


@lru_cache(maxsize=1)
def _c_library() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
