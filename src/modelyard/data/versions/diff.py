"""What changed between two versions, told from their profiles."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.inference import NumberProfile
from modelyard.stats import ks_binned, null_quantile, total_variation

from ..profile import Column, Profile
from .records import StoredColumn, Version

MUCH = 0.15
"""A distance above it is called much: the same figure at which monitoring calls a feature drifted."""

_SHOWN = 5
Counts = NDArray[np.float64]


class Retyped(msgspec.Struct, frozen=True):
    """A column whose type changed."""

    name: str
    before: str
    after: str


class FileChanges(msgspec.Struct, frozen=True):
    """Files by name: in one version only, or with other bytes."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    same: int


class ColumnDiff(msgspec.Struct, frozen=True):
    """How the values of one column changed.

    `distance` in [0, 1]: the Kolmogorov-Smirnov statistic of numbers and instants, total variation of levels; None
    where the profiles cannot tell. `by_chance`: what two even samples of the older version would stay below in 99 of
    100 tables of so many columns. Quantiles are (before, after) by share; levels as they came and went among
    the commonest.
    """

    name: str
    verdict: Literal["same", "little", "much", "unknown"]
    sentence: str
    distance: float | None
    measure: Literal["ks", "total_variation"] | None
    by_chance: float | None
    missing: tuple[float, float]
    mean: tuple[float | None, float | None] | None = None
    quantiles: dict[str, tuple[float, float]] = {}
    levels_new: tuple[str, ...] = ()
    levels_gone: tuple[str, ...] = ()


class VersionDiff(msgspec.Struct, frozen=True):
    """From version `before` to version `after` of a dataset, in sentences and in figures."""

    name: str
    before: int
    after: int
    rows: tuple[int, int]
    files: FileChanges
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    retyped: tuple[Retyped, ...]
    reordered: bool
    columns: tuple[ColumnDiff, ...]
    sentences: tuple[str, ...]


def diff_of(first: Version, before: Profile, second: Version, after: Profile) -> VersionDiff:
    """Compare two versions. Columns are matched by name; those that are in one version only have no distribution."""
    old, new = ({each.name: each for each in profile.columns} for profile in (before, after))
    common = [name for name in new if name in old]
    columns = tuple(_column(old[name], new[name], before, after, len(common)) for name in common)
    types = {each.name: each.type for each in first.columns}
    retyped = tuple(
        Retyped(each.name, types[each.name], each.type)
        for each in second.columns
        if types.get(each.name, each.type) != each.type
    )
    found = VersionDiff(
        name=first.name,
        before=first.number,
        after=second.number,
        rows=(first.rows, second.rows),
        files=_files(first, second),
        columns_added=_only(second.columns, first.columns),
        columns_removed=_only(first.columns, second.columns),
        retyped=retyped,
        reordered=common != [each.name for each in first.columns if each.name in new],
        columns=columns,
        sentences=(),
    )
    return msgspec.structs.replace(found, sentences=tuple(_sentences(found)))


def _files(first: Version, second: Version) -> FileChanges:
    before, after = ({each.name: each.digest for each in version.files} for version in (first, second))
    changed = tuple(name for name in after if name in before and before[name] != after[name])
    added, removed = (tuple(name for name in a if name not in b) for a, b in ((after, before), (before, after)))
    return FileChanges(added, removed, changed, len(after) - len(added) - len(changed))


def _only(these: Sequence[StoredColumn], others: Sequence[StoredColumn]) -> tuple[str, ...]:
    known = {each.name for each in others}
    return tuple(each.name for each in these if each.name not in known)


def _sentences(diff: VersionDiff) -> Iterator[str]:
    """The short story: rows, schema, then the columns that changed, much before little."""
    before, after = diff.rows
    yield f"{before:,} rows before, {after:,} after ({after - before:+,})."
    for what, names in (("New", diff.columns_added), ("Gone", diff.columns_removed)):
        if names:
            yield f"{what} columns: {_listed(names)}."
    for each in diff.retyped:
        yield f"Column '{each.name}' was {each.before} and is {each.after}."
    if diff.reordered:
        yield "The columns stand in another order."
    changed = [each for each in diff.columns if each.verdict != "same"]
    yield from (
        each.sentence for verdict in ("much", "little", "unknown") for each in changed if each.verdict == verdict
    )
    if not changed:
        yield "No column's values changed beyond what chance gives."


def _column(old: Column, new: Column, before: Profile, after: Profile, columns: int) -> ColumnDiff:
    missing = (old.missing / max(1, before.rows), new.missing / max(1, after.rows))
    counts, measure = _counts(old, new, before, after)
    new_levels, gone_levels = _levels(old, new)
    distance = by_chance = None
    if counts is not None:
        distance = (ks_binned if measure == "ks" else total_variation)(*counts)
        by_chance = _by_chance(*counts, ks_binned if measure == "ks" else total_variation, columns)
    verdict = _verdict(distance, by_chance)
    if verdict == "same" and abs(missing[1] - missing[0]) > 0.01:
        verdict = "little"
    return ColumnDiff(
        name=new.name,
        verdict=verdict,
        sentence=_sentence(old, new, verdict, distance, missing, new_levels),
        distance=distance,
        measure=measure if distance is not None else None,
        by_chance=by_chance,
        missing=missing,
        mean=_means(old, new),
        quantiles=_quantiles(old, new),
        levels_new=new_levels,
        levels_gone=gone_levels,
    )


def _counts(
    old: Column, new: Column, before: Profile, after: Profile
) -> tuple[tuple[Counts, Counts] | None, Literal["ks", "total_variation"]]:
    """Both sides over the same bins or levels, missing values apart; None where they cannot be compared."""
    if old.kind != new.kind:
        return None, "ks"
    if old.quantities is not None and new.quantities is not None:
        a, b = old.quantities.distribution, new.quantities.distribution
        edges = np.union1d(a.edges, b.edges)
        return ((_rebinned(old, a, edges), _rebinned(new, b, edges)) if sum(a.counts) and sum(b.counts) else None), "ks"
    if old.kind in ("text", "flag") and old.top and new.top:
        return _over_the_same_levels(old, new, before, after), "total_variation"
    return None, "ks"


def _rebinned(column: Column, profile: NumberProfile, edges: Counts) -> Counts:
    """Counts between other edges; inside a bin rows are taken to lie evenly, unless every value is an edge."""
    own, total = np.array(profile.edges), float(sum(profile.counts))
    cumulative = np.cumsum([0, *profile.counts])
    if column.distinct.exact and column.distinct.value == len(own):
        at_edges = cumulative[np.searchsorted(own, edges, side="right")].astype(np.float64)
    else:
        at_edges = np.interp(edges, own, cumulative[1:-1], left=0.0, right=total)
    return np.diff(np.concatenate([[0.0], at_edges, [total]]))


def _over_the_same_levels(old: Column, new: Column, before: Profile, after: Profile) -> tuple[Counts, Counts] | None:
    """Counts of the levels that both sides know; all others are one level, so that the distance is a lower bound."""
    if not (old.top_exact and new.top_exact):
        return None
    sides = [{each.value: each.count for each in column.top} for column in (old, new)]
    names = [name for name in sorted(sides[0] | sides[1]) if _known(name, old) and _known(name, new)]
    whole = [before.rows - old.missing, after.rows - new.missing]
    there = [np.array([side.get(name, 0) for name in names], dtype=np.float64) for side in sides]
    first, second = (np.append(each, rows - each.sum()) for each, rows in zip(there, whole, strict=True))
    return first, second


def _known(level: str, column: Column) -> bool:
    """Whether a column's profile says how many rows have a level: also that none has."""
    return _listed_whole(column) or any(each.value == level for each in column.top)


def _by_chance(old: Counts, new: Counts, statistic: Callable[..., float], columns: int) -> float:
    found = null_quantile(np.rint(old), round(float(new.sum())), statistic, columns=columns)
    return min(1.0, found)


def _levels(old: Column, new: Column) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Levels among the commonest that the other side, whose levels are all listed, does not have."""
    if old.kind != "text" or new.kind != "text":
        return (), ()
    first, second = ([each.value for each in column.top] for column in (old, new))
    fresh = tuple(each for each in second if each not in first) if _listed_whole(old) else ()
    gone = tuple(each for each in first if each not in second) if _listed_whole(new) else ()
    return fresh, gone


def _listed_whole(column: Column) -> bool:
    return column.top_exact and column.distinct.exact and len(column.top) == column.distinct.value


def _means(old: Column, new: Column) -> tuple[float | None, float | None] | None:
    if old.quantities is None or new.quantities is None or new.kind != "number":
        return None
    return old.quantities.mean, new.quantities.mean


def _quantiles(old: Column, new: Column) -> dict[str, tuple[float, float]]:
    if old.quantities is None or new.quantities is None or old.kind != new.kind:
        return {}
    first, second = old.quantities.quantiles, new.quantities.quantiles
    return {share: (first[share], second[share]) for share in first if share in second}


def _verdict(distance: float | None, by_chance: float | None) -> Literal["same", "little", "much", "unknown"]:
    if distance is None or by_chance is None:
        return "unknown"
    if distance <= by_chance:
        return "same"
    return "much" if distance > MUCH else "little"


def _sentence(
    old: Column, new: Column, verdict: str, distance: float | None, missing: tuple[float, float], fresh: tuple[str, ...]
) -> str:
    words = {"same": "did not change", "little": "changed a little", "much": "changed much"}
    if distance is None:
        said = f"Column '{new.name}': its values cannot be compared ({_why_not(old, new)})"
    else:
        said = f"Column '{new.name}' {words[verdict]} (distance {distance:.2f} of 1){_moved(old, new)}"
    if abs(missing[1] - missing[0]) > 0.01:
        said += f"; missing in {missing[0]:.1%} before, {missing[1]:.1%} after"
    if fresh:
        said += f"; new levels {_listed(fresh)}"
    return f"{said}."


def _moved(old: Column, new: Column) -> str:
    """Where the middle went."""
    if old.quantities is None or new.quantities is None or new.kind != "number":
        return ""
    first, second = (each.quantities.quantiles.get("0.5") for each in (old, new) if each.quantities is not None)
    return "" if first is None or second is None else f": the median went from {first:.4g} to {second:.4g}"


def _why_not(old: Column, new: Column) -> str:
    if old.kind != new.kind:
        return f"{old.kind} before, {new.kind} after"
    if new.kind == "text" and not (old.top_exact and new.top_exact):
        return "too many levels to count"
    return "nothing but missing values" if "empty" in (old.kind, new.kind) else f"of type {new.type}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{each}'" for each in names[:_SHOWN]) + more
