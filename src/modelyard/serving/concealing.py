"""Values of personal columns as they may go on record: a keyed hash that tells equal ones, or their beginning."""

import hashlib
import hmac

from modelyard.core import Scalar
from modelyard.journal import REDACTED

KEPT_CHARACTERS = 3
KEPT_DIGITS = 2


def hashed(value: Scalar, pepper: bytes | None) -> Scalar:
    """`hash:` and 128 bits of HMAC-SHA-256 of a value under the workspace's pepper; REDACTED without one. None stays.

    Equal values have equal hashes, and nobody without the pepper can try out which value it was.
    """
    if value is None:
        return None
    if pepper is None:
        return REDACTED
    told = f"{type(value).__name__}:{value}".encode()
    return f"hash:{hmac.new(pepper, told, hashlib.sha256).hexdigest()[:32]}"


def truncated(value: Scalar) -> Scalar:
    """The first three characters of a text, the first two digits of a number; what has no more is kept as it is."""
    if isinstance(value, str):
        return value if len(value) <= KEPT_CHARACTERS else f"{value[:KEPT_CHARACTERS]}…"
    if isinstance(value, bool) or value is None:
        return value
    return type(value)(float(f"{value:.{KEPT_DIGITS - 1}e}"))
