"""The point-in-time join. See `docs/adr/0015-point-in-time-join.md` for how it works."""

from .join import point_in_time_join, wanted_of
from .keys import Flags, Ints
from .prepared import Entities, PreparedView, Wanted, check_names, entity_column, joined, prepare

__all__ = [
    "Entities",
    "Flags",
    "Ints",
    "PreparedView",
    "Wanted",
    "check_names",
    "entity_column",
    "joined",
    "point_in_time_join",
    "prepare",
    "wanted_of",
]
