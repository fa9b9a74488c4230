"""What a gRPC protocol is to the server: a table of methods, each from a message and a call to a message."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from modelyard.access import NotAuthenticated, Permission, RateLimited
from modelyard.core import Conflict, Forbidden, InvalidInput, ModelyardError, NotFound, Unavailable

from ..dataplane import DataPlane
from ..errors import BadRequest
from .contract import Call

CODES: tuple[tuple[type[ModelyardError], grpc.StatusCode], ...] = (
    (NotAuthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (Conflict, grpc.StatusCode.ABORTED),
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (RateLimited, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
"""The gRPC status of each branch of the error tree; the first that fits decides."""


OnStream = Callable[[Any, str], Any]
"""Turns an answer, or None and an error's text, into a message of a stream."""


@dataclass(frozen=True)
class Method:
    """One method. `model` names the deployment that a request is about; `permission` None leaves it open, which must be
    written down once more in `serving.opened`.

    With `on_stream`, requests and answers come as streams.
    """

    request: Any
    handler: Callable[[DataPlane, Any, Call], Awaitable[Any]]
    permission: Permission | None
    model: Callable[[Any], str | None] = lambda _: None
    on_stream: OnStream | None = None


def code_of(error: ModelyardError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return next((code for branch, code in CODES if isinstance(error, branch)), grpc.StatusCode.INTERNAL)


def parse(message: Any, raw: bytes) -> Any:
    """A message from bytes; BadRequest when they are none."""
    try:
        return message.FromString(raw)
    except DecodeError as error:
        raise BadRequest(
            f"The request is no {message.DESCRIPTOR.full_name}.", remedy="See the protocol's specification."
        ) from error
