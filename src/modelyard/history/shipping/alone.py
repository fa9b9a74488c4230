"""One process at a time: a lock that dies with its holder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.core import make_folder
from modelyard.core.locks import alone_at_once

from ..errors import ShippingInUse


@contextmanager
def alone(lock: Path, what: str) -> Iterator[None]:
    """Keep others out for the length of the block; ShippingInUse, which says `what` they do, when one is in."""
    make_folder(lock.parent)
    with alone_at_once(lock) as taken:
        if not taken:
            raise ShippingInUse(
                f"Another process {what}.", remedy="Let it work, or stop it first: one at a time keeps the order."
            )
        yield
