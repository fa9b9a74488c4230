"""What the datasets of a pipeline were when it last ran, and what of them is other now."""

from collections.abc import Callable, Iterator, Mapping

import msgspec

from modelyard.core import ModelyardError

from .rules import Finding

DATA_CHANGED = "DATA_CHANGED"
"""The code of a finding about a dataset that is not what a pipeline last read."""

_SHOWN = 8


class DatasetState(msgspec.Struct, frozen=True):
    """A dataset as a run read it. `version`: of its content and how it is read, None when only reading could tell.

    `promises`: a digest of what is declared of it. `columns`: types by name; empty when nobody told.
    """

    version: str | None
    promises: str
    columns: dict[str, str] = {}


class LastRead(msgspec.Struct, frozen=True):
    """What the newest run that read a dataset found."""

    run: str
    state: DatasetState


States = Callable[[str], DatasetState | None]
"""A dataset as it is now, without its columns; None when the project has none of this name."""

Columns = Callable[[str], Mapping[str, str]]
"""The columns of a dataset as it is now; may have to read it."""


def data_findings(
    last: Mapping[str, LastRead], states: States, columns: Columns, *, strict: bool = False
) -> tuple[Finding, ...]:
    """A finding for each dataset that is not what it was when the pipeline last read it."""
    return tuple(
        Finding(
            DATA_CHANGED,
            "error" if strict else "warning",
            None,
            f"Dataset '{name}' changed since run {read.run} read it: {'; '.join(changed)}.",
            f"Look at it, and run the pipeline on it. Columns and distributions: modelyard data validate {name}",
        )
        for name, read in sorted(last.items())
        if (changed := list(_changes(name, read.state, states, columns)))
    )


def _changes(name: str, before: DatasetState, states: States, columns: Columns) -> Iterator[str]:
    now = states(name)
    if now is None:
        yield "the project does not declare it any more"
        return
    if before.promises != now.promises:
        yield "other things are promised of it"
    if None in (before.version, now.version) or before.version == now.version:
        return
    yield f"its version is {_short(now.version)}, not {_short(before.version)}"
    if not before.columns:
        return
    try:
        found = columns(name)
    except ModelyardError as error:
        yield f"it cannot be read now ({error.message:.200})"
        return
    yield from column_changes(before.columns, found)


def column_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """What became of columns, by their names and types."""
    if added := [f"'{name:.60}'" for name in after if name not in before]:
        yield f"columns added: {_some(added)}"
    if removed := [f"'{name:.60}'" for name in before if name not in after]:
        yield f"columns removed: {_some(removed)}"
    retyped = [
        f"'{name:.60}' from {before[name]:.60} to {after[name]:.60}"
        for name in before
        if name in after and before[name] != after[name]
    ]
    if retyped:
        yield f"types changed: {_some(retyped)}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _short(version: str | None) -> str:
    """A digest as people read it; `visits@3` is kept."""
    text = version or "unknown"
    return text if "@" in text else text[:12]
