"""What goes on record, and what becomes of it while the journal cannot be written."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import cast

import numpy as np

from modelyard.core import InvalidInput, Scalar, Value, digest_of, log_event
from modelyard.journal import REDACTED, Journal, JournalUnavailable, Record
from modelyard.routing import ServingPolicy

from .concealing import hashed, truncated
from .metrics import Metrics

HELD = 10_000
"""Records that are held in memory until the journal can be written again; beyond it the oldest are dropped."""

LONGEST_TEXT = 1_000
"""A longer text is recorded by its digest."""

_DIGITS = 16
_AT_ONCE = 1_000
_IDENTITY_SPAN = float(1 << 32)


class Recorder:
    """Puts records into the journal, counts them, and holds those that may wait. Use on one thread."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self._journal = journal
        self._metrics = metrics
        self._held: deque[Record] = deque()

    @property
    def failing(self) -> bool:
        """Whether answers have left of which there is no record yet."""
        return bool(self._held)

    def write(self, records: Sequence[Record]) -> None:
        """Write records together; JournalUnavailable, or Unrecordable, when none of them is there."""
        try:
            self._journal.append(records)
        except JournalUnavailable:
            self._metrics.records("refused", len(records))
            raise
        self._metrics.records("written", len(records))

    def hold(self, record: Record) -> None:
        """Keep a record that the journal refused, to be written later; the oldest gives way when there are too many."""
        if not self._held:
            log_event("serving", "answering without a record, as the deployment's policy says; records are held")
        self._held.append(record)
        self._metrics.records("spilled", 1)
        if len(self._held) > HELD:
            self._held.popleft()
            self._metrics.records("dropped", 1)

    def write_held(self) -> None:
        """Try to write what is held, oldest first."""
        while self._held:
            some = list(islice(self._held, _AT_ONCE))
            try:
                self._journal.append(some)
            except (JournalUnavailable, InvalidInput):
                return
            for _ in some:
                self._held.popleft()
            self._metrics.records("written", len(some))
            log_event("serving", "held records are written", records=len(some), left=len(self._held))

    def close(self) -> None:
        """Write what is held, or say how much is lost."""
        self.write_held()
        if self._held:
            self._metrics.records("dropped", len(self._held))
            log_event("serving", "records lost: the journal could not be written to the end", records=len(self._held))


def logged_features(
    identity: str,
    features: tuple[Value, ...],
    policy: ServingPolicy,
    redacted: Sequence[int],
    digested: Sequence[int] = (),
) -> tuple[Scalar, ...]:
    """The features of a prediction as they go on record: left out of those not sampled, redacted where declared.

    Of those to be `digested`, a tensor leaves its digest, shape and type, and so does a text too long to be kept.

    The sample is told by the prediction id's random part, so that every arm that scores a row does the same.
    """
    if not _sampled(identity, policy):
        return ()
    if not features or not (redacted or digested):
        return cast("tuple[Scalar, ...]", features)
    hidden = list(features)
    for at in redacted:
        hidden[at] = REDACTED
    for at in digested:
        hidden[at] = _digest(hidden[at])
    return cast("tuple[Scalar, ...]", tuple(hidden))


def logged_request(
    identity: str, fields: Mapping[str, Value], policy: ServingPolicy, pepper: bytes | None
) -> tuple[Scalar, ...]:
    """The fields of a request that are no features as they go on record: sampled and redacted as features are, and
    hashed or truncated where the deployment says so.
    """
    if not fields or not _sampled(identity, policy):
        return ()
    return tuple([_told(name, value, policy, pepper) for name, value in fields.items()])


def _told(name: str, value: Value, policy: ServingPolicy, pepper: bytes | None) -> Scalar:
    if name in policy.redact or (isinstance(value, np.ndarray) and name in policy.private):
        return REDACTED
    if name in policy.hash:
        return hashed(cast("Scalar", value), pepper)
    return truncated(cast("Scalar", value)) if name in policy.truncate else _digest(value)


def _sampled(identity: str, policy: ServingPolicy) -> bool:
    return policy.log_features >= 1 or int(identity[-8:], 16) / _IDENTITY_SPAN < policy.log_features


def _digest(value: Value) -> Scalar:
    """`sha256:…[3,32,32] float32` of a tensor, `sha256:… 4711 characters` of a long text, a short one itself."""
    if isinstance(value, np.ndarray):
        sides = ",".join(map(str, value.shape))
        return f"sha256:{digest_of(value.tobytes())[:_DIGITS]}…[{sides}] {value.dtype}"
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"sha256:{digest_of(value.encode())[:_DIGITS]}… {len(value)} characters"
    return cast("Scalar", value)
