"""Guard sets: which guards look at what goes in and what comes out, and what they do, as data with a digest."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from modelyard.core import Digest, canonical_json, did_you_mean, digest_of
from modelyard.core.settings import Section

from .contract import Guard
from .errors import InvalidGuardSet
from .injection import InjectionGuard
from .patterns import PatternGuard
from .personal import personal_data
from .records import Action
from .schema import SchemaGuard
from .secrets import secrets
from .stream import Armed
from .support import SupportGuard

Side = Literal["input", "output"]
"""What goes to a model, and what comes from it."""

_Sides = Annotated[tuple[Side, ...], Field(min_length=1)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Declared(Section):
    action: Literal[Action.REDACT, Action.REFUSE, Action.FLAG] = Action.REDACT


class PersonalDataSettings(_Declared):
    """E-mail addresses, telephone numbers, accounts, cards, national numbers, network addresses."""

    guard: Literal["personal_data"]
    on: _Sides = ("input", "output")
    kinds: tuple[str, ...] = ()

    def made(self) -> Guard:
        """The guard."""
        return _only(personal_data(), self.kinds)


class SecretsSettings(_Declared):
    """Keys, tokens and passwords."""

    guard: Literal["secrets"]
    on: _Sides = ("input", "output")
    kinds: tuple[str, ...] = ()

    def made(self) -> Guard:
        """The guard."""
        return _only(secrets(), self.kinds)


class SchemaSettings(_Declared):
    """JSON of a schema."""

    guard: Literal["schema"]
    action: Literal[Action.REDACT, Action.REFUSE, Action.FLAG] = Action.REFUSE
    on: _Sides = ("output",)
    json_schema: dict[str, Any] = Field(alias="schema")

    def made(self) -> Guard:
        """The guard, whose schema is one."""
        guard = SchemaGuard(self.json_schema)
        _ = guard.validator
        return guard


class SupportSettings(Section):
    """Sentences that rest on what was retrieved."""

    guard: Literal["support"]
    action: Action = Action.REDACT
    on: tuple[Literal["output"]] = ("output",)
    overlap: float = Field(default=0.6, gt=0, le=1)
    near: float = Field(default=0.75, ge=-1, le=1)

    def made(self) -> Guard:
        """The guard."""
        return SupportGuard(overlap=self.overlap, near=self.near)


class InjectionSettings(_Declared):
    """Attempts to make a model follow other instructions. They are refused or flagged: a text without them is another
    text, of which nothing is known. Who has both bundles may leave their digests out; see `GuardSet.asking`."""

    guard: Literal["injection"]
    action: Literal[Action.REFUSE, Action.FLAG] = Action.REFUSE
    on: _Sides = ("input",)
    embedder: _Digest | None = None
    classifier: _Digest | None = None
    threshold: float = Field(default=0.5, gt=0, le=1)

    def made(self) -> Guard:
        """The guard; InvalidGuardSet for one that does not say what it asks."""
        if self.embedder is None or self.classifier is None:
            lacking = "classifier" if self.embedder is not None else "embedder"
            raise InvalidGuardSet(
                f"The guard 'injection' names no {lacking}.",
                context={"guard": "injection", "lacking": lacking},
                remedy="Give both, --embedder and --classifier, or write their bundles' digests into the set.",
            )
        return InjectionGuard(Digest(self.embedder), Digest(self.classifier), self.threshold)


Declared = Annotated[
    PersonalDataSettings | SecretsSettings | SchemaSettings | SupportSettings | InjectionSettings,
    Field(discriminator="guard"),
]
"""One guard as it is declared."""


class GuardSet(Section):
    """The guards of an application. With `fail_closed` a guard that fails lets nothing through."""

    fail_closed: bool = True
    guards: Annotated[tuple[Declared, ...], Field(min_length=1)]

    @property
    def document(self) -> bytes:
        """The set with all defaults spelled out: equal sets have equal bytes."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @property
    def digest(self) -> Digest:
        """SHA-256 of the document."""
        return digest_of(self.document)

    def armed(self, side: Side) -> tuple[Armed, ...]:
        """The guards that look at one side, in the order they are declared; InvalidGuardSet names what cannot be."""
        return tuple(Armed(each.made(), each.action) for each in self.guards if side in each.on)

    def asking(self, embedder: Digest, classifier: Digest) -> "GuardSet":
        """The same set, whose guards of injections ask these where they name none."""
        given = {"embedder": embedder, "classifier": classifier}
        named = [
            each.model_copy(update={part: digest for part, digest in given.items() if getattr(each, part) is None})
            if isinstance(each, InjectionSettings)
            else each
            for each in self.guards
        ]
        return self.model_copy(update={"guards": tuple(named)})

    def check(self) -> None:
        """InvalidGuardSet when a guard cannot be made."""
        for each in self.guards:
            each.made()


def default_set() -> GuardSet:
    """Personal data and secrets, redacted on both sides."""
    return GuardSet.model_validate({"guards": [{"guard": "personal_data"}, {"guard": "secrets"}]})


def read_set(document: Mapping[str, Any]) -> GuardSet:
    """A guard set of plain data. Raises pydantic's ValidationError, or InvalidGuardSet for what only guards know."""
    found = GuardSet.model_validate(document)
    found.check()
    return found


def _only(guard: PatternGuard, kinds: tuple[str, ...]) -> PatternGuard:
    """The guard for these kinds only; for all when none is named."""
    known = list(dict.fromkeys(each.kind for each in guard.patterns))
    for kind in kinds:
        if kind not in known:
            raise InvalidGuardSet(
                f"The guard '{guard.name}' knows no kind {kind!r}. {did_you_mean(kind, known, shown=30)}",
                context={"guard": guard.name, "kind": kind},
                remedy="Name kinds that it knows, or none for all.",
            )
    return PatternGuard(guard.name, tuple(each for each in guard.patterns if not kinds or each.kind in kinds))
