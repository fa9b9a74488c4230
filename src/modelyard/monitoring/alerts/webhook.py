"""Signed webhooks: what is posted, how it is signed, and how a receiver tells that it is ours.

The header `X-Modelyard-Signature` is `t=SECONDS,v1=HEX`: the time of sending in seconds since 1970, and HMAC-SHA-256
(RFC 2104) under the shared secret of `SECONDS.BODY`. `X-Modelyard-Delivery` is the notification's id, the same however
often it is delivered.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from .groups import Notice, text_of, title_of
from .peers import post

SIGNATURE, DELIVERY = "X-Modelyard-Signature", "X-Modelyard-Delivery"
_HEADER = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})", re.ASCII)
_TOLERANCE = timedelta(minutes=5)


class Webhook:
    """A URL that notifications are posted to as JSON."""

    def __init__(self, url: str, secret: str, allowed: Sequence[str] = ()) -> None:
        self._url = url
        self._secret = secret
        self._allowed = allowed

    def take(self, notice: Notice, identity: str, at: datetime) -> None:
        """See `outbox.Receiver`."""
        body = body_of(notice, identity)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "modelyard",
            SIGNATURE: signature(body, self._secret, at),
            DELIVERY: identity,
        }
        post(self._url, body, headers, self._allowed)


def body_of(notice: Notice, identity: str) -> bytes:
    """The JSON document that is posted."""
    told = {"format": 1, "id": identity, "title": title_of(notice), "text": text_of(notice)}
    return msgspec.json.encode({**told, **msgspec.to_builtins(notice)})


def signature(body: bytes, secret: str, at: datetime) -> str:
    """The value of the header `X-Modelyard-Signature`."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_mac(seconds, body, secret)}"


def verify_webhook(
    body: bytes, header: str, secret: str, *, now: datetime | None = None, tolerance: timedelta = _TOLERANCE
) -> bool:
    """Whether `body` was signed with `secret`, and not longer ago than `tolerance`; what receivers ask first.

    `header` is the value of `X-Modelyard-Signature`. Takes the same time whatever is wrong with the signature.
    """
    found = _HEADER.fullmatch(header)
    if found is None:
        return False
    seconds = int(found[1])
    age = (now or datetime.now(UTC)).timestamp() - seconds
    fresh = abs(age) <= tolerance.total_seconds()
    return hmac.compare_digest(found[2], _mac(seconds, body, secret)) and fresh


def _mac(seconds: int, body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
