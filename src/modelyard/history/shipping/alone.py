"""One process at a time: a lock that dies with its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.core import make_folder
from modelyard.journal import unlock

from ..errors import ShippingInUse


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Keep others out for the length of the block; ShippingInUse, which says `what` they do, when one is in."""
    make_folder(lock.parent)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ShippingInUse(
                f"Another process {what}.", remedy="Let it work, or stop it first: one at a time keeps the order."
            ) from error
        yield
    finally:
        unlock(descriptor)
