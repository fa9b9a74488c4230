"""Entities: what features are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from .definition import Definition, check_definition, wrong_labels


@dataclass(frozen=True)
class Entity(Definition):
    """What features are about; `join_keys` are the columns that identify one, by default the entity's name.

    InvalidDefinition lists all that is wrong with it.
    """

    kind: ClassVar[str] = "entity"

    name: str
    join_keys: Sequence[str] = ()
    description: str = field(default="", compare=False)
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    owner: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        keys = (self.join_keys,) if isinstance(self.join_keys, str) else tuple(self.join_keys)
        wrong = wrong_labels(self.description, self.tags, self.owner)
        if not all(isinstance(key, str) and key for key in keys) or len(set(keys)) < len(keys):
            wrong.append("join_keys are different names of columns.")
        check_definition(self.kind, self.name, wrong, "Entity(name=…, join_keys=[…])")
        object.__setattr__(self, "join_keys", keys or (self.name,))
