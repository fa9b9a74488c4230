"""What all definitions share: they have a name, unique among those of their kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from modelyard.core import InvalidInput, check_name
from modelyard.features.errors import InvalidDefinition


class Definition:
    """Something that a project's Python file defines. `load_definitions` finds instances of every child by itself.

    Names are unique within a `kind`, which is also what messages call it; views of all sorts are one kind.
    """

    kind: ClassVar[str] = "definition"
    name: str

    def anchor(self, folder: Path, pushed: Path | None) -> None:
        """Learn where relative paths begin, and where the project keeps pushed rows. Nothing to learn by default."""


def check_definition(kind: str, name: object, wrong: list[str], remedy: str) -> None:
    """Raise InvalidDefinition with everything that is wrong, the name included."""
    try:
        check_name(kind, name if isinstance(name, str) else repr(name))
    except InvalidInput as error:
        wrong = [error.message, *wrong]
    if wrong:
        many = "\n  ".join(wrong)
        raise InvalidDefinition(
            f"The {kind} {str(name)[:80]!r} cannot be used: {many}", context={"name": str(name)[:80]}, remedy=remedy
        )


def wrong_labels(description: object, tags: object, owner: object) -> list[str]:
    """What is wrong with the words beside a definition."""
    wrong = []
    if not isinstance(description, str) or not isinstance(owner, str):
        wrong.append("description and owner are texts.")
    if not _is_tags(tags):
        wrong.append('tags map texts to texts, such as {"team": "fraud"}.')
    return wrong


def wrong_mapping(defaults: object) -> list[str]:
    """What is wrong with the defaults of a view."""
    return [] if isinstance(defaults, Mapping) else ["defaults maps features to values."]


def _is_tags(tags: Any) -> bool:
    return isinstance(tags, Mapping) and all(isinstance(each, str) for pair in tags.items() for each in pair)
