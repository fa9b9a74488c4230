"""The shapes of what a caller's messages and tools hold: parts, calls, functions.

They are handed on as they are, with all that an upstream may know of them and we do not. What OpenAI's API says of them
is held to: a text that is no text would go past the guards, and upstreams fail at it instead of refusing it.
"""

from typing import Any

import msgspec

from ..errors import BadRequest
from ..where import path_of
from .body import Asked


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


def check_shapes(asked: Asked) -> None:
    """BadRequest, with the path, for what is of another shape than OpenAI's API documents."""
    for at, message in enumerate(asked.messages):
        if isinstance(message.content, list):
            _fit(message.content, list[_Part], f"messages[{at}].content", _PART)
        if message.tool_calls:
            _fit(message.tool_calls, list[_Call], f"messages[{at}].tool_calls", _CALL)
    if asked.tools:
        _fit(asked.tools, list[_Tool], "tools", _TOOL)
    if isinstance(asked.tool_choice, dict):
        _fit(asked.tool_choice, _Typed, "tool_choice", _CHOICE)
    if asked.response_format is not None:
        _fit(asked.response_format, _Typed, "response_format", _FORMAT)


_PART = 'Send parts as {"type": "text", "text": "…"}.'
_CALL = 'Send calls as {"id": "…", "type": "function", "function": {"name": "…", "arguments": "{}"}}.'
_TOOL = 'Send tools as {"type": "function", "function": {"name": "…", "parameters": {}}}.'
_CHOICE = 'Send "none", "auto", "required", or {"type": "function", "function": {"name": "…"}}.'
_FORMAT = 'Send {"type": "text"}, {"type": "json_object"} or {"type": "json_schema", "json_schema": {}}.'


def _fit(value: Any, shape: Any, path: str, remedy: str) -> None:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        inside = path_of(str(error), b"")
        where = path + inside if inside.startswith("[") or not inside else f"{path}.{inside}"
        raise BadRequest(
            f"'{where}' is of another shape: {str(error).partition(' - at ')[0]}.",
            context={"path": where},
            remedy=remedy,
        ) from error
