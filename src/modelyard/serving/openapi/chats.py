"""OpenAI's paths, shown where deployments answer chats."""

from collections.abc import Mapping

from .described import ASKED, JSON, SENT, Described, Facts
from .samples import Schema, list_of, object_of

CHATS = "Chats"
"""The tag of what only applications of language models answer."""

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_ANY: Schema = {"type": "object"}
_ROLES: Schema = {"enum": ["system", "developer", "user", "assistant", "tool"]}


def _takes(_facts: Facts) -> Mapping[str, Schema]:
    content: Schema = {"anyOf": [_TEXT, list_of(_ANY), {"type": "null"}]}
    message = object_of({"role": _ROLES, "content": content}, ["role", "content"])
    told = {
        "model": _TEXT,
        "messages": list_of(message),
        "stream": {"type": "boolean"},
        "stream_options": object_of({"include_usage": {"type": "boolean"}}),
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "stop": {"anyOf": [_TEXT, list_of(_TEXT)]},
        "seed": {"type": "integer"},
        "tools": list_of(_ANY),
        "response_format": _ANY,
        "user": _TEXT,
        "variables": {"type": "object", "additionalProperties": _TEXT},
    }
    return {JSON: object_of(told, ["messages"])}


def _gives(_facts: Facts) -> Mapping[str, Schema]:
    usage = object_of(
        {"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "total_tokens": _COUNT, "prompt_tokens_details": _ANY}
    )
    whole = {"id": _TEXT, "object": _TEXT, "created": _COUNT, "model": _TEXT, "system_fingerprint": _TEXT}
    told = {**whole, "choices": list_of(_ANY), "usage": {"anyOf": [usage, {"type": "null"}]}}
    return {JSON: object_of(told, list(told)), "text/event-stream": _TEXT}


def _takes_texts(_facts: Facts) -> Mapping[str, Schema]:
    told = {
        "model": _TEXT,
        "input": {"anyOf": [_TEXT, list_of(_TEXT)]},
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": {"type": "integer", "minimum": 1},
        "user": _TEXT,
    }
    return {JSON: object_of(told, ["input"])}


def _gives_vectors(_facts: Facts) -> Mapping[str, Schema]:
    vector: Schema = {"anyOf": [list_of({"type": "number"}), _TEXT]}
    one = object_of({"object": _TEXT, "index": _COUNT, "embedding": vector})
    usage = object_of({"prompt_tokens": _COUNT, "total_tokens": _COUNT})
    told = {"object": _TEXT, "data": list_of(one), "model": _TEXT, "system_fingerprint": _TEXT, "usage": usage}
    return {JSON: object_of(told, list(told))}


def _listed(_facts: Facts) -> Mapping[str, Schema]:
    one = object_of({"id": _TEXT, "object": _TEXT, "created": _COUNT, "owned_by": _TEXT})
    return {JSON: object_of({"object": _TEXT, "data": list_of(one)}, ["object", "data"])}


ENDPOINTS: Mapping[tuple[str, str], Described] = {
    ("POST", "/v1/chat/completions"): Described(
        CHATS,
        "Have a chat answered, as with OpenAI's API",
        "`model` names a deployment; `variables` are the values of its prompt's. With `stream` the answer comes as "
        "server-sent events, with an error event when the upstream breaks off.",
        "openai",
        (*SENT, 502),
        _gives,
        _takes,
        lambda _sample: [],
    ),
    ("POST", "/v1/embeddings"): Described(
        CHATS,
        "The vectors of texts, as with OpenAI's API",
        "`model` names a deployment whose model is an embedder. Vectors have the length 1.",
        "openai",
        SENT,
        _gives_vectors,
        _takes_texts,
        lambda _sample: [],
    ),
    ("GET", "/v1/models"): Described(
        CHATS,
        "The deployments that answer chats or embed texts",
        "Those that the key may ask.",
        "openai",
        ASKED,
        _listed,
    ),
}
"""What is shown of each path."""
