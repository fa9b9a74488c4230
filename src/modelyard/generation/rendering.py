"""Prompts with variables: reading them, and putting values in their places.

`{{name}}` is a place, with spaces inside the braces or without. Everything else in a prompt is text. A value is put in
as text, once: braces in it are never a place, and what a model's template would take for a role's marker is broken.
"""

import re
from collections.abc import Mapping

from modelyard.core import did_you_mean, shown

from .errors import InvalidPrompt
from .records import Message, Prompt

LONGEST_VALUE = 1_000_000
"""Characters of one value."""

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*\}\}")
_ALMOST = re.compile(r"\{\{[^{}\"':\n]{0,80}\}\}")
_MARKER = re.compile(
    r"<(?=\|[^|<>\s]{1,64}\|>"  # <|im_start|>, <|eot_id|>
    r"|｜[^｜<>\s]{1,64}｜>"  # noqa: RUF001 - full-width bars are how some models write theirs
    r"|/?s>|/?(?:start|end)_of_turn>|(?:bos|eos|pad|unk)>|</?SYS>>|/?think>|/?tool_(?:call|response)s?>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_BREAK = "\u2060"
"""WORD JOINER: nothing to a reader, and no marker any more to a tokenizer."""


def variables_of(prompt: Prompt) -> tuple[str, ...]:
    """The names of a prompt's places, each once, in the order in which they come."""
    return tuple(dict.fromkeys(name for each in prompt.messages for name in _PLACE.findall(each.content)))


def check_prompt(prompt: Prompt) -> Prompt:
    """The prompt itself; InvalidPrompt when it says nothing, or has `{{…}}` that is nearly a place and none."""
    if not any(each.content.strip() for each in prompt.messages):
        raise InvalidPrompt("The prompt is empty.", remedy="Write what the model is to be told.")
    for at, each in enumerate(prompt.messages):
        for near in _ALMOST.finditer(each.content):
            if not _PLACE.fullmatch(near[0]):
                raise InvalidPrompt(
                    f"{shown(near[0])} in message {at} names no variable.",
                    context={"path": f"messages[{at}].content"},
                    remedy="Use letters, digits and '_', beginning with a letter: {{customer_name}}.",
                )
    return prompt


def render(prompt: Prompt, values: Mapping[str, str]) -> tuple[Message, ...]:
    """The messages with a value in every place; InvalidPrompt names every value that lacks or that nothing asks for.

    Values are put in once and as text: see the head of this file.
    """
    asked = variables_of(prompt)
    _require(asked, values)
    if not asked:
        return prompt.messages
    told = {name: defused(values[name]) for name in asked}
    return tuple(Message(each.role, _PLACE.sub(lambda place: told[place[1]], each.content)) for each in prompt.messages)


def defused(text: str) -> str:
    """A text from outside in which no tokenizer finds the marker of a role: an invisible character breaks each."""
    if "<" not in text and "[" not in text:
        return text
    return _MARKER.sub(lambda found: found[0] + _BREAK, text)


def _require(asked: tuple[str, ...], values: Mapping[str, str]) -> None:
    lacking = [name for name in asked if name not in values]
    strange = [name for name in values if name not in asked]
    if not lacking and not strange:
        for name, value in values.items():
            if len(value) > LONGEST_VALUE:
                raise InvalidPrompt(
                    f"The value of '{name}' has {len(value)} characters, of at most {LONGEST_VALUE}.",
                    context={"path": f"variables.{name}"},
                    remedy="Send less.",
                )
        return
    told = [f"has no value for {', '.join(map(repr, lacking[:10]))}"] if lacking else []
    told += [f"has no variable {', '.join(shown(each) for each in strange[:10])}"] if strange else []
    first = (strange or lacking)[0]
    raise InvalidPrompt(
        f"The prompt {' and '.join(told)}.",
        context={
            "path": f"variables.{first[:80]}",
            "lacking": lacking[:20],
            "strange": [each[:80] for each in strange[:20]],
        },
        remedy=did_you_mean(first, asked) if asked else "It has no variables: leave them out.",
    )
