"""What is other in one prompt than in another."""

import difflib
import json
from collections.abc import Iterator

from modelyard.generation import Prompt


def diff_prompts(one: Prompt, other: Prompt, names: tuple[str, str] = ("before", "after")) -> str:
    """A unified diff of two prompts, messages by role and then the response schema; empty when they say the same."""
    lines = difflib.unified_diff(list(_lines(one)), list(_lines(other)), *names, lineterm="", n=3)
    return "\n".join(lines)


def _lines(prompt: Prompt) -> Iterator[str]:
    for each in prompt.messages:
        yield f"[{each.role}]"
        yield from each.content.splitlines()
    if prompt.response_schema is not None:
        yield "[response schema]"
        yield from json.dumps(prompt.response_schema, indent=2, sort_keys=True, ensure_ascii=False).splitlines()
