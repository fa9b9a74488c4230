"""`prompts:/NAME/3` and `prompts:/NAME@production`, as MLflow writes them."""

import re
from typing import NamedTuple, Self

from modelyard.core import InvalidInput, shown

_REFERENCE = re.compile(r"(?:prompts:/)?([A-Za-z0-9][A-Za-z0-9._-]{0,127})(?:[/@]([A-Za-z0-9][A-Za-z0-9._-]{0,127}))?")


class PromptReference(NamedTuple):
    """A prompt, and the number, label or alias of one of its versions."""

    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """With `prompts:/` or without; a name alone means what is in production. InvalidInput for anything else."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise InvalidInput(
                f"{shown(text, 100)} names no prompt.",
                code="INVALID_REFERENCE",
                remedy="Write prompts:/NAME/3 for a version, prompts:/NAME@production for an alias.",
            )
        return cls(found[1], found[2] or "production")
