"""Answers in OpenAI's shapes, whole and in pieces."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from modelyard.core import Digest
from modelyard.generation import Choice, Usage, write_event
from modelyard.routing import fingerprint

_ENCODE = msgspec.json.Encoder().encode
_NO_MORE: Mapping[str, Any] = MappingProxyType({})


class Shape:
    """What all that is said of one answer has in common."""

    __slots__ = ("_facts",)

    def __init__(self, identity: str, created_us: int, deployment: str, bundle: Digest) -> None:
        self._facts = {
            "id": f"chatcmpl-{identity}",
            "created": created_us // 1_000_000,
            "model": deployment,
            "system_fingerprint": fingerprint(bundle),
        }

    def whole(
        self, choices: Sequence[Choice], usage: Usage | None, more: Mapping[str, Any] = _NO_MORE
    ) -> dict[str, Any]:
        """An answer in one piece; `more` is told beside it."""
        told = [
            {
                "index": each.index,
                "message": {"role": "assistant", "content": None, **(each.message or {})},
                "logprobs": each.logprobs,
                "finish_reason": each.finish_reason or "stop",
            }
            for each in choices
        ]
        return {"object": "chat.completion", **self._facts, "choices": told, "usage": usage_told(usage), **more}

    def piece(
        self,
        choices: Sequence[Choice],
        usage: Usage | None = None,
        *,
        with_usage: bool = False,
        more: Mapping[str, Any] = _NO_MORE,
    ) -> bytes:
        """One event of a stream; `with_usage` where the caller asked to be told it, in the last of them."""
        told = [
            {
                "index": each.index,
                "delta": each.delta or {},
                "logprobs": each.logprobs,
                "finish_reason": each.finish_reason,
            }
            for each in choices
        ]
        chunk: dict[str, Any] = {"object": "chat.completion.chunk", **self._facts, "choices": told, **more}
        if with_usage:
            chunk["usage"] = usage_told(usage)
        return write_event(_ENCODE(chunk))


def usage_told(usage: Usage | None) -> dict[str, Any] | None:
    """Usage as OpenAI tells it; nothing where the upstream did not say."""
    if usage is None or not usage.told:
        return None
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }
