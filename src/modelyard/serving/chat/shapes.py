"""The shapes of what a caller's messages and tools hold: parts, calls, functions.

They are handed on as they are, with all that an upstream may know of them and we do not. What OpenAI's API says of them
is held to: a text that is no text would go past the guards, and upstreams fail at it instead of refusing it.
"""

from typing import Any

import msgspec

from ..errors import BadRequest
from ..where import path_of


class _Image(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | _Image | None = None


class _Called(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class _Call(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: _Called | None = None
    custom: _Called | None = None


class _Function(msgspec.Struct):
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Typed(msgspec.Struct):
    type: str


_Shape = tuple[Any, str]

PARTS: _Shape = list[_Part], 'Send parts as {"type": "text", "text": "…"}.'
CALLS: _Shape = (
    list[_Call],
    'Send calls as {"id": "…", "type": "function", "function": {"name": "…", "arguments": "{}"}}.',
)
TOOLS: _Shape = list[_Tool], 'Send tools as {"type": "function", "function": {"name": "…", "parameters": {}}}.'
TOOL_CHOICE: _Shape = (
    _Typed,
    'Send "none", "auto", "required", or {"type": "function", "function": {"name": "…"}}.',
)
RESPONSE_FORMAT: _Shape = (
    _Typed,
    'Send {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {}}.',
)


def check_shape(value: Any, shape: _Shape, path: str) -> None:
    """BadRequest, with the path, for what is of another shape than OpenAI's API documents."""
    kind, remedy = shape
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        inside = path_of(str(error), b"")
        where = f"{path}.{inside}" if inside and not inside.startswith("[") else path + inside
        raise BadRequest(
            f"'{where}' is of another shape: {str(error).partition(' - at ')[0]}.",
            context={"path": where},
            remedy=remedy,
        ) from error
