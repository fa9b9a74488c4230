"""The connection to a server that is smoke-tested."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from modelyard.core import InvalidInput, Unavailable

SECONDS = 10.0

_NOT_NOW = (401, 403, 404, 429, 502, 503, 504)
"""Statuses that tell of the server or the caller, and nothing of the model."""


class Refused(NamedTuple):
    """How a row was refused: the status, what was said, and the code of the error where it has one."""

    status: int
    said: str
    code: str = ""

    def __str__(self) -> str:
        return f"no JSON object: {self.said}" if self.status == 200 else f"{self.status} {self.said}"


class Connection:
    """One connection to a server that stays open."""

    def __init__(self, address: str, deployment: str, token: str) -> None:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{address[:80]!r} is no address of a server.", remedy="Write http://HOST:PORT.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 - what it listens on
        self._connection = kind(host, parts.port, timeout=SECONDS)
        self._address, self.deployment = address, deployment
        self._root = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Refused:
        """The answer to one row, or how the row was refused. Unavailable when that tells nothing of the model."""
        try:
            self._connection.request("POST", self._root + path, json.dumps(body), self._headers)
            response = self._connection.getresponse()
            answered = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"The server at {self._address} does not answer: {str(error)[:200] or type(error).__name__}.",
                code="NO_SERVER",
                remedy="Is it running there? See: modelyard status",
            ) from error
        if response.status in _NOT_NOW:
            raise self._refused(response.status, answered)
        if response.status != 200:
            return Refused(response.status, _told(answered), _code(answered))
        try:
            answer = json.loads(answered)
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else Refused(200, _told(answered))

    def _refused(self, status: int, body: bytes) -> Unavailable:
        remedy = (
            "Put a key that may predict into the environment: MODELYARD_API_KEY."
            if status in (401, 403)
            else f"See the server's log; its log of requests: modelyard log query --deployment {self.deployment}"
        )
        return Unavailable(
            f"The server at {self._address} answered a golden row with {status}: {_told(body)}",
            code="SMOKE_REFUSED",
            context={"deployment": self.deployment, "status": status},
            remedy=remedy,
        )


def _told(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return ascii(body[:100])


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
