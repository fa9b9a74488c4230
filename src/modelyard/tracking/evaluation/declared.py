"""What a project declares of how its models are judged: the columns of slices and groups."""

from collections.abc import Sequence
from dataclasses import dataclass

from .evaluate import How
from .rows import Rows


@dataclass(frozen=True)
class Declared:
    """Columns by which every evaluation of a model is cut."""

    slices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def with_declared(how: How, declared: Declared) -> How:
    """How to judge, by the declared columns as well where nothing else was asked for.

    Those that the rows do not have are named in `absent`: that a slice is missing stops no training, and is told.
    """
    wanted = Declared(
        () if "slices" in how else declared.slices,
        () if "groups" in how else declared.groups,
    )
    if not wanted.slices and not wanted.groups:
        return how
    known = _columns(how)
    absent = [each for each in dict.fromkeys((*wanted.slices, *wanted.groups)) if each not in known]
    told: How = {**how, "absent": absent}
    if wanted.slices:
        told["slices"] = [each for each in wanted.slices if each in known]
    if wanted.groups:
        told["groups"] = [each for each in wanted.groups if each in known]
    return told


def _columns(how: How) -> Sequence[str]:
    rows = how.get("rows")
    return () if rows is None else Rows(rows, how.get("names")).names
