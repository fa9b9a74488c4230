"""Errors as OpenAI's clients read them: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

import msgspec

from modelyard.core import ModelyardError, NotFound
from modelyard.generation import UpstreamBroken, UpstreamSaidError

from ..errors import NotServed
from ..protocols import status_of

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES: tuple[tuple[type[ModelyardError], str], ...] = ((NotServed, "model_not_found"),)


def chat_error(error: ModelyardError) -> tuple[int, bytes]:
    """Status and body of an error: 502 where the upstream gave no answer, 503 where the server lacks something that is
    not the caller's to name, and else as on any other path.
    """
    status = 502 if isinstance(error, UpstreamBroken | UpstreamSaidError) else status_of(error)
    if isinstance(error, NotFound) and not isinstance(error, NotServed):
        status = 503
    return status, msgspec.json.encode({"error": described(error, status)})


def described(error: ModelyardError, status: int) -> dict[str, Any]:
    """What an error says, as the member `error`. The remedy is part of the message: clients show nothing else."""
    code = error.context.get("code") or next((code for kind, code in _CODES if isinstance(error, kind)), None)
    param = error.context.get("path") or error.context.get("param")
    return {
        "message": str(error),
        "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": None if param is None else str(param),
        "code": str(code or error.code.lower()),
    }
