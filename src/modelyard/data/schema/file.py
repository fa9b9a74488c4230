"""Schema files: read with every error at once, written to be read by people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from modelyard.core.durations import format_duration
from modelyard.core.settings import findings_of, inline_yaml, read_yaml, report

from .settings import ColumnChecks, Relation, SchemaSettings, UniqueTogether


def read_schema(file: Path) -> SchemaSettings:
    """The promises in a schema file. InvalidInput lists everything wrong in it, each with its line."""
    document = read_yaml(file)
    try:
        return SchemaSettings.model_validate(document.data)
    except ValidationError as error:
        raise report(file, findings_of(error, document, SchemaSettings), code="INVALID_SCHEMA") from error


def write_schema(
    promised: SchemaSettings, *, heading: Sequence[str] = (), notes: Mapping[str, str] | None = None
) -> str:
    """The text of a schema file; `heading` and the `notes` about columns become comments."""
    comments = [f"# {line}".rstrip() for each in heading for line in each.splitlines()]
    return "\n".join([*comments, *_table(promised), *_columns(promised.columns, notes or {})]) + "\n"


def _table(promised: SchemaSettings) -> Iterator[str]:
    for name in ("min_rows", "max_rows", "extra_columns"):
        value = getattr(promised, name)
        if value != SchemaSettings.model_fields[name].default:
            yield f"{name}: {value}"
    for name, several in (("unique_together", promised.unique_together), ("relations", promised.relations)):
        if several:
            yield f"{name}:"
            yield from (f"  - {inline_yaml(_short(each))}" for each in several)


def _short(promise: Relation | UniqueTogether) -> Any:
    """What a list holds: the promise alone where nothing else is said of it."""
    values = _plain(promise.model_dump(exclude_defaults=True))
    return next(iter(values.values())) if len(values) == 1 else values


def _columns(columns: Mapping[str, ColumnChecks], notes: Mapping[str, str]) -> Iterator[str]:
    if not columns:
        return
    yield "columns:"
    for name, checks in columns.items():
        values = _plain(checks.model_dump(exclude_defaults=True))
        if name in notes:
            yield from (f"  # {line}" for line in notes[name].splitlines())
        yield f"  {inline_yaml(name)}:{'' if values else ' {}'}"
        yield from (f"    {key}: {inline_yaml(value)}" for key, value in values.items())


def _plain(value: Any) -> Any:
    """Values as YAML spells them."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return format_duration(value) if isinstance(value, timedelta) else value
