"""Prompts as people write them: a text, or the messages of a chat in YAML or JSON."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from modelyard.core import NotFound, shown
from modelyard.generation import ROLES, InvalidPrompt, Message, Prompt, check_prompt

LONGEST_PROMPT = 90_000
"""Characters of a prompt, written as MLflow keeps it: its tags hold no more."""

_CHATS = (".yaml", ".yml", ".json")
_SHAPE = (
    "Write a list of {role, content}, or an object with messages, and response_schema if answers are to follow one."
)


def read_prompt_file(path: Path) -> Prompt:
    """The prompt in a file: messages where its name ends with .yaml, .yml or .json, and else one text by the user.

    NotFound, or InvalidPrompt with the place in the file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {shown(str(path), 200)}.", code="NO_PROMPT_FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidPrompt(f"{shown(str(path), 200)} cannot be read: {error}.", remedy="Write it as UTF-8.") from error
    prompt = _chat(text) if path.suffix.lower() in _CHATS else Prompt((Message("user", text),), chat=False)
    size = sum(len(each.content) for each in prompt.messages)
    if size > LONGEST_PROMPT:
        raise InvalidPrompt(
            f"The prompt has {size} characters, of at most {LONGEST_PROMPT}.",
            remedy="What is that long is material: let the application retrieve it.",
        )
    return check_prompt(prompt)


def _chat(text: str) -> Prompt:
    try:
        found: Any = yaml.safe_load(text)  # JSON is YAML
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidPrompt(f"It is no YAML: {str(error)[:300]}.", remedy=_SHAPE) from error
    whole = found if isinstance(found, dict) else {"messages": found}
    messages = whole.get("messages")
    strange = [str(each)[:40] for each in whole if each not in ("messages", "response_schema")]
    if not isinstance(messages, list) or not messages or strange:
        told = f"It has {', '.join(map(repr, strange))}" if strange else "It has no messages"
        raise InvalidPrompt(f"{told}.", context={"path": "messages"}, remedy=_SHAPE)
    schema = whole.get("response_schema")
    if schema is not None and not isinstance(schema, dict):
        raise InvalidPrompt("'response_schema' is no object.", context={"path": "response_schema"}, remedy=_SHAPE)
    return Prompt(tuple(_message(at, each) for at, each in enumerate(messages)), response_schema=schema)


def _message(at: int, found: object) -> Message:
    try:
        return msgspec.convert(found, Message)
    except msgspec.ValidationError as error:
        raise InvalidPrompt(
            f"Message {at} is none: {str(error)[:300]}.",
            context={"path": f"messages[{at}]"},
            remedy=f"Write {{role, content}}; roles are {', '.join(ROLES)}.",
        ) from error
