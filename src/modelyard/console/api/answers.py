"""Results and errors as HTTP answers. Statuses are known here alone."""

from typing import Any

from starlette.responses import Response

from modelyard.access import NotAuthenticated, RateLimited
from modelyard.core import (
    Conflict,
    Damaged,
    Failed,
    Forbidden,
    InvalidInput,
    ModelyardError,
    NotFound,
    Unavailable,
    json_text,
)

from ..errors import BodyTooLarge, InternalError, WrongMethod

STATUSES: dict[type[ModelyardError], int] = {
    BodyTooLarge: 413,
    WrongMethod: 405,
    InternalError: 500,
    NotAuthenticated: 401,
    RateLimited: 429,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    InvalidInput: 400,
    Failed: 422,
    Unavailable: 503,
    Damaged: 500,
    ModelyardError: 500,
}
"""The status of an error is that of its nearest branch: 4xx is the caller's to mend, or a check that says no; 5xx is
ours. From the status the remote client makes the branch again, and with it the exit code.
"""


def result(value: Any) -> Response:
    """The very document that `--json` prints."""
    return Response(json_text(value), media_type="application/json")


def answer(error: ModelyardError) -> Response:
    """An error: `{"error": {code, message, path?, remedy, context}}`."""
    status = status_of(error)
    headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}.get(status)
    return Response(json_text({"error": told(error)}), status, headers, "application/json")


def status_of(error: ModelyardError) -> int:
    """The status of the nearest branch of an error."""
    return next(STATUSES[each] for each in type(error).__mro__ if each in STATUSES)


def told(error: ModelyardError) -> dict[str, Any]:
    """What is said of an error; `path` is the field it is about."""
    path = error.context.get("path")
    found: dict[str, Any] = {"code": error.code, "message": error.message}
    if isinstance(path, str):
        found["path"] = path
    return {**found, "remedy": error.remedy, "context": error.context}
