"""What is kept of a smoke test, and what asking comes to."""

from dataclasses import dataclass

import msgspec

from modelyard.core import Digest
from modelyard.storage import Snapshot

SMOKE = "smoke"
"""The kind of the documents that say how a deployment answered a bundle's golden rows, by deployment and bundle."""

SHOWN = 5
"""So many of what was answered otherwise are told."""


class Smoke(msgspec.Struct, frozen=True):
    """How a deployment answered the golden rows of one bundle, the last time that it was asked.

    `worst`: the largest difference of a score, relative as the bundle's `tolerance` is. `skipped`: rows that JSON
    cannot carry. `wrong`: what was answered otherwise, some of it.
    """

    deployment: str
    model: str
    version: int
    bundle: Digest
    at: str
    by: str
    address: str
    rows: int
    skipped: int
    worst: float | None
    tolerance: float
    passed: bool
    wrong: tuple[str, ...] = ()


def last_smoke(view: Snapshot, deployment: str, bundle: Digest) -> Smoke | None:
    """How a deployment answered a bundle's golden rows the last time; None when it was never asked."""
    document = view.get(SMOKE, f"{deployment}/{bundle}")
    return msgspec.convert(document.body, Smoke) if document is not None else None


@dataclass(frozen=True)
class Answered:
    """What became of golden rows: how many were asked, the worst difference, and what was wrong."""

    rows: int
    skipped: int
    worst: float
    wrong: tuple[str, ...]


def told_of(rows: int, skipped: int, worst: float, wrong: list[str]) -> Answered:
    """The same, with the first of what was wrong."""
    more = [f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
    return Answered(rows, skipped, worst, (*wrong[:SHOWN], *more))
