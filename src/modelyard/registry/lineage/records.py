"""The graph as values that are kept as JSON."""

from typing import Literal

import msgspec

ThingKind = Literal["dataset", "feature view", "code", "run", "MLflow run", "version", "bundle", "route", "predictions"]
"""What a thing is, in the order in which one comes of another."""

Fact = str | int | float | bool | None
"""What may be said of a thing."""


class Thing(msgspec.Struct, frozen=True):
    """One thing on the way. `id` is `KIND:NAME` and what arrows name; `facts` are what the records say of it."""

    id: str
    kind: ThingKind
    name: str
    facts: dict[str, Fact] = {}


class Arrow(msgspec.Struct, frozen=True):
    """From one thing to what came of it; `how` says in what way, such as `read by`."""

    source: str
    target: str
    how: str


class Lineage(msgspec.Struct, frozen=True):
    """All that is on record around one version, the thing named by `subject`.

    `unknown`: what is not on record, each a sentence that says how it would be.
    """

    subject: str
    things: tuple[Thing, ...]
    arrows: tuple[Arrow, ...]
    unknown: tuple[str, ...] = ()

    def thing(self, identity: str) -> Thing:
        """The thing of an id."""
        return next(each for each in self.things if each.id == identity)

    def before(self, identity: str) -> list[Arrow]:
        """The arrows that end at a thing."""
        return [each for each in self.arrows if each.target == identity]

    def after(self, identity: str) -> list[Arrow]:
        """The arrows that begin at a thing."""
        return [each for each in self.arrows if each.source == identity]
