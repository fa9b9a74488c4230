"""What a Feast repository defines, as `describe.py` tells it, and what became of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A definition's name and the words beside it."""

    name: str
    description: str = ""
    tags: dict[str, str] = {}
    owner: str = ""


class Typed(msgspec.Struct, frozen=True):
    """A feature or field, with the name of Feast's type of its values."""

    name: str
    type: str = "UNKNOWN"


class FeastEntity(Labelled, frozen=True, kw_only=True):
    """An entity."""

    join_keys: list[str]


class FeastSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows are read; `mapping` leads from columns to the names of features."""

    name: str
    kind: str
    path: str = ""
    format: str = ""
    endpoint: str = ""
    event_time: str = ""
    created: str = ""
    mapping: dict[str, str] = {}


class FeastStream(msgspec.Struct, frozen=True):
    """What a view's rows come by, beside its source."""

    name: str
    kind: str


class FeastAggregation(msgspec.Struct, frozen=True, kw_only=True):
    """A function of a column over a window, in microseconds."""

    column: str
    function: str
    name: str = ""
    window_us: int | None = None
    slide_us: int | None = None


class FeastView(Labelled, frozen=True, kw_only=True):
    """A feature view of any sort; `kind` is the name of Feast's class."""

    kind: str
    entities: list[str] = []
    join_keys: list[str] = []
    features: list[Typed] = []
    ttl_us: int | None = None
    source: FeastSource | None = None
    stream: FeastStream | None = None
    online: bool = True
    transformation: str = ""
    aggregations: list[FeastAggregation] = []


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """Some features of a view, or all where none is named, maybe under another name or by other keys."""

    view: str
    alias: str = ""
    features: list[str] = []
    join_keys: dict[str, str] = {}


class FeastRequest(Labelled, frozen=True, kw_only=True):
    """Fields that come with requests."""

    fields: list[Typed] = []


class FeastOnDemand(Labelled, frozen=True, kw_only=True):
    """Features computed by a function of Python, whose text is kept.

    `code` is the function with what it uses, as a file that runs by itself; `lacking` says why there is none.
    """

    features: list[Typed] = []
    mode: str = ""
    text: str = ""
    views: list[Projection] = []
    requests: list[FeastRequest] = []
    aggregated: bool = False
    singleton: bool = False
    code: str = ""
    function: str = ""
    lacking: str = ""


class FeastService(Labelled, frozen=True, kw_only=True):
    """The named list of what a model uses."""

    parts: list[Projection] = []
    logged: bool = False


class FeastRepository(msgspec.Struct, frozen=True, kw_only=True):
    """All that a repository defines."""

    feast: str = ""
    projects: list[str] = []
    entities: list[FeastEntity] = []
    views: list[FeastView] = []
    on_demand: list[FeastOnDemand] = []
    services: list[FeastService] = []
    requests: list[FeastRequest] = []


@dataclass(frozen=True)
class Told:
    """One line of the report: of which definition, whether it was `left out` or is only worth a `note`, and why."""

    kind: str
    name: str
    outcome: str
    why: str


@dataclass(frozen=True)
class Imported:
    """The definitions as a module of Python, how many of each kind it has, and what could not be carried over.

    `files` are those that the module imports beside it: a function of features each, by the file's name.
    """

    module: str
    counts: Mapping[str, int]
    report: tuple[Told, ...]
    feast: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As one document, without the module."""
        return {"feast": self.feast, "counts": dict(self.counts), "report": [asdict(each) for each in self.report]}
