"""What a caller asks of a chat: OpenAI's parameters, each checked, with its path where it cannot be used."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from modelyard.core import did_you_mean, shown
from modelyard.generation import CONTEXT, ROLES, defused, what_is_asked

from ..applications import LoadedApplication
from ..deployments import Deployment, Deployments
from ..errors import BadRequest, NotServed, TooLarge
from ..requests import Request
from ..strict import refuse_deep_nesting, refuse_repeated_names
from ..where import path_of, path_of_half_pair
from .body import Asked, ChatMessage, StreamOptions
from .shapes import CALLS, PARTS, RESPONSE_FORMAT, TOOL_CHOICE, TOOLS, check_shape

_HANDED_ON = (
    "temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "logprobs",
    "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort",
)  # fmt: skip
_RANGES = (
    ("temperature", 0.0, 2.0),
    ("top_p", 0.0, 1.0),
    ("presence_penalty", -2.0, 2.0),
    ("frequency_penalty", -2.0, 2.0),
    ("top_logprobs", 0, 20),
    ("n", 1, 1),
)
_DECODER = msgspec.json.Decoder(Asked, strict=True)
_UNKNOWN = re.compile(r"unknown field `([^`]{0,200})")
_BYTE = re.compile(r"\(byte (\d+)\)")
_BEFORE = re.compile(rb'"([^"\\]{1,80})"\s*:\s*-?$')
_REMEDY = 'Send {"model": "DEPLOYMENT", "messages": [{"role": "user", "content": "…"}]}.'


class _Named(msgspec.Struct):
    """What a body that cannot be taken is asked for all the same: whose trouble it is."""

    model: Any = None


_NAMED = msgspec.json.Decoder(_Named)


def read_body(request: Request, decoder: Any, fields: type[msgspec.Struct], remedy: str) -> Any:
    """The body of a request; BadRequest says where it does not fit, with the nearest name of one that nobody knows.

    The request is that of the deployment which its path names, or else its body: also where that cannot be taken.
    """
    try:
        refuse_deep_nesting(request.body)
        asked = decoder.decode(request.body)
    except BadRequest:
        request.asks(_named(request.body))
        raise
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        request.asks(_named(request.body))
        raise _unreadable(str(error), request.body, fields, remedy) from error
    request.asks(asked.model)
    refuse_repeated_names(request.body, 0)
    return asked


def _named(body: bytes) -> str | None:
    """The deployment that a body names which is JSON, and of another shape."""
    try:
        model = _NAMED.decode(body).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return model if isinstance(model, str) else None


def read_asked(request: Request) -> Asked:
    """The body of a chat; BadRequest as above."""
    asked: Asked = read_body(request, _DECODER, Asked, _REMEDY)
    return asked


def check_values(asked: Asked) -> None:
    """BadRequest for a role or a number that cannot be, and for parts, calls and tools that are of another shape."""
    for at, message in enumerate(asked.messages):
        if message.role not in ROLES:
            raise BadRequest(
                f"{shown(message.role)} is no role of a message.",
                context={"path": f"messages[{at}].role"},
                remedy=did_you_mean(message.role, ROLES),
            )
    for name, least, most in _RANGES:
        value = getattr(asked, name)
        if value is not None and not least <= value <= most:
            raise BadRequest(
                f"'{name}' is {value!r:.40}.",
                context={"path": name},
                remedy=f"Send {least:g}." if least == most else f"Send a number from {least:g} to {most:g}.",
            )
    _check_shapes(asked)


def _check_shapes(asked: Asked) -> None:
    for at, message in enumerate(asked.messages):
        if isinstance(message.content, list):
            check_shape(message.content, PARTS, f"messages[{at}].content")
        if message.tool_calls:
            check_shape(message.tool_calls, CALLS, f"messages[{at}].tool_calls")
    if asked.tools:
        check_shape(asked.tools, TOOLS, "tools")
    if isinstance(asked.tool_choice, dict):
        check_shape(asked.tool_choice, TOOL_CHOICE, "tool_choice")
    if asked.response_format is not None:
        check_shape(asked.response_format, RESPONSE_FORMAT, "response_format")


def deployment_of(request: Request, deployments: Deployments) -> Deployment:
    """The deployment that is asked: that of the path, or else of the body; NotServed where there is none."""
    try:
        return deployments.find(request.asked)
    except NotServed as error:
        if request.deployment is not None:
            raise
        named = request.asked is not None
        remedy = error.remedy if named else f"Name it as 'model'. {did_you_mean('', deployments.current)}"
        raise NotServed(error.message, context={"path": "model"}, remedy=remedy) from error


def check_size(body: bytes, deployment: Deployment, path: str) -> None:
    """TooLarge when a body is more than its deployment takes: it was read before it said which that is."""
    limit, name = deployment.policy.body_limit, deployment.route.deployment
    if len(body) > limit:
        raise TooLarge(
            f"The body has {len(body)} bytes; '{name}' takes {limit}.",
            context={"path": path},
            remedy=f"Send shorter texts, or raise deployments.{name}.serving.body_limit.",
        )


def check_against(asked: Asked, arm: LoadedApplication) -> None:
    """BadRequest when a request is more than its application takes."""
    application = arm.application
    longest = application.sampling.max_tokens
    for name in ("max_tokens", "max_completion_tokens"):
        value = getattr(asked, name)
        if value is not None and not 1 <= value <= longest:
            raise BadRequest(
                f"'{name}' is {value}.", context={"path": name}, remedy=f"This application takes 1 to {longest}."
            )
    if asked.logprobs and arm.guards is not None and "output" in arm.guards.sides:
        raise BadRequest(
            "'logprobs' would tell what the application's guards take out of the answer.",
            context={"path": "logprobs"},
            remedy="Leave it out.",
        )
    size = sum(map(size_of, asked.messages))
    if size > application.longest_input:
        raise BadRequest(
            f"The messages have {size} characters, of at most {application.longest_input}.",
            context={"path": "messages", "code": "context_length_exceeded"},
            remedy="Leave older messages out, or shorten them.",
        )
    if application.retrieval is not None and CONTEXT in asked.variables:
        raise BadRequest(
            f"'{CONTEXT}' is what this application retrieves itself.",
            context={"path": f"variables.{CONTEXT}"},
            remedy="Leave it out.",
        )
    if not asked.messages and not arm.prompt.messages:
        raise BadRequest("'messages' is empty.", context={"path": "messages"}, remedy=_REMEDY)


def handed_on(asked: Asked, arm: LoadedApplication) -> dict[str, Any]:
    """The parameters that an upstream is asked with: the caller's, and the application's where he says nothing."""
    sampling = arm.application.sampling
    own = {"temperature": sampling.temperature, "top_p": sampling.top_p, "seed": sampling.seed}
    own["stop"] = list(sampling.stop) or None  # type: ignore[assignment]  # a value of any kind
    if arm.prompt.response_schema is not None:
        schema = {"name": "answer", "schema": arm.prompt.response_schema}
        own["response_format"] = {"type": "json_schema", "json_schema": schema}  # type: ignore[assignment]  # as above
    told = {name: value for name, value in own.items() if value is not None}
    told |= {name: value for name in _HANDED_ON if (value := getattr(asked, name)) is not None}
    told["max_tokens"] = longest_answer(asked, arm)
    return told


def longest_answer(asked: Asked, arm: LoadedApplication) -> int:
    """The most tokens that an answer may have."""
    return asked.max_completion_tokens or asked.max_tokens or arm.application.sampling.max_tokens


def defused_messages(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Messages with no marker of a role in any text of theirs."""
    return [_without_markers(each) for each in messages]


def _without_markers(message: ChatMessage) -> ChatMessage:
    content = message.content
    if content is None:
        return message
    told = defused(content) if isinstance(content, str) else [_defused(part) for part in content]
    return message if told is content else msgspec.structs.replace(message, content=told)


def _defused(part: dict[str, Any]) -> dict[str, Any]:
    text = part.get("text")
    return {**part, "text": defused(text)} if isinstance(text, str) else part


def alike(messages: Sequence[Any]) -> list[Any]:
    """Messages with the last one by the user, where it is a text, as what it asks: see `what_is_asked`."""
    told = list(messages)
    for at in range(len(told) - 1, -1, -1):
        each = told[at]
        if isinstance(each, ChatMessage) and each.role == "user":
            if isinstance(each.content, str):
                told[at] = msgspec.structs.replace(each, content=what_is_asked(each.content))
            break
    return told


def question_of(messages: Sequence[ChatMessage]) -> str:
    """What is asked: the text of the last message by the user. BadRequest where there is none."""
    asked = next((each for each in reversed(messages) if each.role == "user"), None)
    content = "" if asked is None else asked.content
    if isinstance(content, list):
        content = "\n".join(text for part in content if isinstance(text := part.get("text"), str))
    if content is None or not content.strip():
        raise BadRequest(
            "There is no question: this application retrieves what the last message by the user asks for.",
            context={"path": "messages"},
            remedy=_REMEDY,
        )
    return content


def size_of(message: ChatMessage) -> int:
    """Characters of a message's texts."""
    content = message.content
    if isinstance(content, list):
        return sum(len(text) for part in content if isinstance(text := part.get("text"), str))
    return len(content or "")


def _unreadable(text: str, body: bytes, fields: type[msgspec.Struct], remedy: str) -> BadRequest:
    path = path_of(text, body)
    if (half := path_of_half_pair(body)) is not None:
        path, text, remedy = half, "half of a character (a lone surrogate)", "Send whole characters."
    elif (unknown := _UNKNOWN.search(text)) is not None:
        name = unknown[1]
        fields = ChatMessage if "messages" in path else StreamOptions if "stream_options" in path else fields
        path = f"{path}.{name}".lstrip(".")
        remedy = did_you_mean(name, fields.__struct_fields__, shown=40)
    elif not path and (byte := _BYTE.search(text)) is not None:
        before = _BEFORE.search(body[max(0, int(byte[1]) - 200) : int(byte[1])])
        path = before[1].decode("utf-8", "replace") if before is not None else ""
    return BadRequest(
        f"The body is not what this path takes: {text[:300]}.", context={"path": path} if path else {}, remedy=remedy
    )
