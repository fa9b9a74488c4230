"""How deployments answered golden rows: the record of it."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from modelyard.core import Digest, Unavailable
from modelyard.storage import Snapshot

SMOKE = "smoke"
"""The kind of the documents that say how a deployment answered a bundle's golden rows, by deployment and bundle."""

_SHOWN = 5


class Smoke(msgspec.Struct, frozen=True):
    """How a deployment answered the golden rows of one bundle, the last time that it was asked.

    `worst`: the largest difference as the bundle's `tolerance` is meant: of a score, relative; of an embedder's vector,
    one minus the cosine. `skipped`: rows that no request can carry: JSON has no infinities, and embedders are sent
    neither empty texts nor longer ones than they read. `wrong`: what was answered otherwise, some of it.
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


class Answered(NamedTuple):
    """What became of golden rows: how many were asked, the worst difference, and what was wrong."""

    rows: int
    skipped: int
    worst: float
    wrong: Sequence[str]

    def some(self) -> tuple[str, ...]:
        """Some of what was wrong, and how much more there is."""
        more = [f"and {len(self.wrong) - _SHOWN} more"] if len(self.wrong) > _SHOWN else []
        return (*self.wrong[:_SHOWN], *more)


def other_version(deployment: str, told: object, version: str) -> Unavailable:
    """Another version answers than the one whose golden rows were asked."""
    return Unavailable(
        f"'{deployment}' answers by version {str(told)[:40]}, not by {version}.",
        code="OTHER_VERSION",
        context={"deployment": deployment, "version": version},
        remedy=f"Wait until its rollout is over (modelyard rollout status {deployment}), or name the right server.",
    )
