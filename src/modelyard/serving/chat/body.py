"""What the body of a chat's request holds."""

from typing import Any

import msgspec


class ChatMessage(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One message of a chat; parts of a content, and calls of tools, are handed on as they are.

    What only answers have is taken, for clients send answers back as they came, and let go at once: an upstream needs
    none of it to go on.
    """

    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    audio: None = None
    function_call: None = None

    def __post_init__(self) -> None:
        self.annotations = self.reasoning = self.reasoning_content = None


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Of a stream."""

    include_usage: bool = False


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request. `variables` are the values of the prompt's, which OpenAI's API has no place for here."""

    messages: list[ChatMessage]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    variables: dict[str, str] = {}
