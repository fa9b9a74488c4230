"""One connection to a server, for requests whose answers are to be those of a bundle."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from modelyard.core import InvalidInput, Unavailable

SECONDS = 10.0
_NOT_NOW = (401, 403, 404, 429, 502, 503, 504)
"""Statuses that tell of the server or the caller, and nothing of the model."""


@dataclass(frozen=True)
class Refused:
    """How a golden row was refused: `code` as the server has it, where it has one."""

    said: str
    code: str = ""


class Asking:
    """One connection to a server that stays open; `path` is where it is asked."""

    def __init__(self, address: str, deployment: str, token: str, path: str) -> None:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{address[:80]!r} is no address of a server.", remedy="Write http://HOST:PORT.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 - what it listens on
        self._connection = kind(host, parts.port, timeout=SECONDS)
        self._address, self._deployment = address, deployment
        self._path = parts.path.rstrip("/") + path
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def answer(self, body: Mapping[str, Any]) -> Mapping[str, Any] | Refused:
        """What is answered to a golden row, or how the row was refused."""
        try:
            self._connection.request("POST", self._path, json.dumps(body), self._headers)
            response = self._connection.getresponse()
            told = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"The server at {self._address} does not answer: {str(error)[:200] or type(error).__name__}.",
                code="NO_SERVER",
                remedy="Is it running there? See: modelyard status",
            ) from error
        if response.status in _NOT_NOW:
            raise self._refused(response.status, told)
        if response.status != 200:
            return Refused(f"{response.status} {_told(told)}", _code(told))
        try:
            answer = json.loads(told)
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else Refused(f"no JSON object: {_told(told)}")

    def _refused(self, status: int, body: bytes) -> Unavailable:
        remedy = (
            "Put a key that may predict into the environment: MODELYARD_API_KEY."
            if status in (401, 403)
            else f"See the server's log; its log of requests: modelyard log query --deployment {self._deployment}"
        )
        return Unavailable(
            f"The server at {self._address} answered a golden row with {status}: {_told(body)}",
            code="SMOKE_REFUSED",
            context={"deployment": self._deployment, "status": status},
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
