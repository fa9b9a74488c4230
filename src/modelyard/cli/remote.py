"""Asking a remote control plane: the same operation, the same result, the same error."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from modelyard.core import (
    Conflict,
    Damaged,
    Failed,
    Forbidden,
    InvalidInput,
    ModelyardError,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from modelyard.operations import Operation

_BRANCHES: Mapping[int, type[ModelyardError]] = {
    400: InvalidInput,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    405: InvalidInput,
    409: Conflict,
    413: InvalidInput,
    422: Failed,
    429: Unavailable,
    500: Damaged,
    503: Unavailable,
}
"""The branch of an error by the status it came with: with it, the exit code is that of the same command there."""

_CONNECT_S = 10.0
"""How long a connection may take. How long an answer takes is up to what was asked."""


@dataclass(frozen=True)
class Remote:
    """A control plane: its address, and the key that is shown there; without one it must know the caller otherwise."""

    url: str
    key: str = ""
    flag: bool = True
    """Whether the address was given as `--url`, rather than in the environment."""

    def ask(self, operation: "Operation[Any]", given: Any) -> Any:
        """Carry an operation out there; whatever it raises there is raised here."""
        address = self._address()
        path = "/".join([address.path.rstrip("/"), "api", "v1", *(quote(word) for word in operation.name.split())])
        sent = _sent(operation, given)
        headers = {"accept": "application/json", **({"authorization": f"Bearer {self.key}"} if self.key else {})}
        if operation.permission.value == "read":
            query = urlencode({name: _spelled(value) for name, value in sent.items()}, doseq=True)
            return self._answer(address, "GET", f"{path}?{query}" if query else path, None, headers)
        body = json.dumps(sent).encode()
        return self._answer(address, "POST", path, body, {**headers, "content-type": "application/json"})

    def _address(self) -> SplitResult:
        from modelyard.access import is_loopback  # noqa: PLC0415 - `--help` must not pay for it

        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise InvalidInput(
                f"'{self.url[:100]}' is no address of a control plane.", remedy="Write --url https://HOST:8090."
            )
        if self.key and address.scheme == "http" and not is_loopback(address.hostname):
            raise InvalidInput(
                f"The key would go to {address.hostname} in the clear.",
                code="KEY_IN_THE_CLEAR",
                remedy="Use https://, or a tunnel to this machine's own loopback.",
            )
        return address

    def _answer(
        self, address: SplitResult, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Any:
        connection = _connection(address)
        try:
            connection.connect()
            connection.sock.settimeout(None)
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return self._read(answer)
        except (OSError, HTTPException) as error:
            raise Unavailable(
                f"The control plane at {self.url} does not answer: {error}.",
                code="CONTROL_PLANE_AWAY",
                remedy="See that it runs there: modelyard status. Its address is control.host and control.port.",
            ) from error
        finally:
            connection.close()

    def _read(self, answer: HTTPResponse) -> Any:
        text = answer.read()
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if answer.status == 200 and answer.headers.get_content_type() == "application/json":
            return document
        told = document.get("error") if isinstance(document, dict) else None
        if not isinstance(told, dict) or not isinstance(told.get("message"), str):
            raise Unavailable(
                f"What answers at {self.url} is no control plane: status {answer.status}.",
                code="NO_CONTROL_PLANE",
                remedy="The console's address is wanted, port 8090 unless control.port says otherwise.",
            )
        kind, context = _BRANCHES.get(answer.status, ModelyardError), told.get("context")
        raise kind(
            told["message"],
            code=str(told.get("code") or kind.code),
            context=context if isinstance(context, dict) else {},
            remedy=str(told.get("remedy") or ""),
        )


def _connection(address: SplitResult) -> HTTPConnection:
    host = address.hostname or ""
    if address.scheme == "http":
        return HTTPConnection(host, address.port, timeout=_CONNECT_S)
    return HTTPSConnection(host, address.port, timeout=_CONNECT_S, context=ssl.create_default_context())


def _sent(operation: "Operation[Any]", given: Any) -> dict[str, Any]:
    """The fields of an input that say more than their defaults; those that only this machine has are refused."""
    from modelyard.operations import options_of  # noqa: PLC0415 - `--help` must not pay for it

    options, sent = options_of(operation.input_type), {}
    for each in fields(given):
        value = getattr(given, each.name)
        if value == each.default:
            continue
        if options[each.name].local:
            flag = options[each.name].flag or "--" + each.name.replace("_", "-")
            raise InvalidInput(
                f"{flag} is about this machine, and '{operation.name}' is asked of another.",
                code="LOCAL_ONLY",
                context={"path": each.name},
                remedy=f"Leave {flag} out, or run the command there, without --url.",
            )
        sent[each.name] = value
    return sent


def _spelled(value: Any) -> Any:
    """A value as a query has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return [_spelled(each) for each in value] if isinstance(value, list | tuple) else value
