"""Checking data against a schema, and writing schemas. Files are enough: only a dataset's name asks for a project."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modelyard.access import Permission, authorize
from modelyard.core import Conflict, InvalidInput, NotFound, atomic_write, did_you_mean
from modelyard.data import (
    ReadOptions,
    SchemaSettings,
    Validation,
    check_batches,
    from_pandera,
    infer_schema,
    load_module,
    open_data,
    read_schema,
    to_pandera,
    write_schema,
)
from modelyard.wiring import FILE_NAME, Project, validate_dataset

from .datasets import described, profile_file

_AS_STORED = ReadOptions(coded=True)
"""Batches small enough that the memory of one serves the next, and text that need not be unpacked to be checked."""

_HEADING = """\
Written by `modelyard data infer` from {rows} rows of {source}. Read it, then change it to what you know:
- types are those that were read; not_null where no value was missing;
- ranges are what was seen and a tenth of its span more at either end, rounded outward, never across zero;
- allowed where there are at most 20 levels, each seen 5 times on average;
- unique for whole numbers and texts that never repeat (20 rows or more).
Check data against it: modelyard data validate FILE --schema THIS"""


def infer(
    sources: Sequence[Path], output: Path | None, *, force: bool = False, called: str | None = None
) -> dict[str, Any]:
    """Write a schema of what holds of the rows; returns its text, and where it is. `called`: what its heading says."""
    rows = open_data(list(sources), _AS_STORED)
    found = infer_schema(rows.schema, rows.batches())
    files = tuple(each.path for each in rows.facts)
    names = ", ".join(files[:3]) + (" …" if len(files) > 3 else "")
    heading = _HEADING.format(rows=found.rows, source=called or names)
    text = write_schema(found.promised, heading=[heading], notes=found.notes)
    _write(text, output, force=force)
    return {"sources": files, "rows": found.rows, "columns": len(found.promised.columns),
            "output": output and str(output), "schema": text}  # fmt: skip


def validate(what: Sequence[str], schema: Path | None, folder: Path) -> dict[str, Any]:
    """Check files against a schema, or a dataset of the project in `folder` against what is promised of it."""
    if not what:
        raise InvalidInput("Nothing to check.", remedy="Name files, or a dataset of the project.")
    if schema is None:
        return _validate_dataset(what, folder)
    promised = read_schema(schema)
    rows = open_data(list(what), _AS_STORED)
    files = tuple(each.path for each in rows.facts)
    return _told(check_batches(rows.schema, rows.batches(), promised), files, str(schema))


def _validate_dataset(what: Sequence[str], folder: Path) -> dict[str, Any]:
    files = [each for each in what if Path(each).exists()]
    if len(what) > 1 or files:
        raise InvalidInput(
            f"{(files or list(what))[0]} is to be checked against nothing.",
            code="NO_SCHEMA",
            remedy="Add --schema FILE; modelyard data infer writes one.",
        )
    if not (folder / FILE_NAME).is_file() and not folder.is_file():
        raise InvalidInput(
            f"{what[0]} is no file, and {folder.resolve()} is no project that could have a dataset of this name.",
            code="NO_DATA",
            remedy=f"Correct the path, or go to the folder of a {FILE_NAME}.",
        )
    with closing(Project(folder)) as project:
        authorize(project.principal, Permission.READ)
        rows = project.services.dataset(what[0], project.clock.now())
        found = validate_dataset(project.file, what[0], rows, project.clock)
    return _told(found, what, FILE_NAME)


def profile_of(what: str, html: Path | None, folder: Path) -> dict[str, Any]:
    """Describe a file, or a dataset of the project in `folder` as it is known now."""
    if Path(what).exists() or not ((folder / FILE_NAME).is_file() or folder.is_file()):
        return profile_file(Path(what), html)
    with closing(Project(folder)) as project:
        rows = project.services.dataset(what, project.clock.now())
    return described(what, rows.schema, rows.to_batches(), html)


def _told(found: Validation, sources: Sequence[str], schema: str) -> dict[str, Any]:
    judgement = found.judgement
    return {
        "verdict": judgement.verdict.value,
        "reasons": judgement.reasons,
        "warnings": found.warnings,
        "sources": tuple(sources),
        "schema": schema,
        "rows": found.rows,
        "checks": [{**asdict(each), "share": each.share} for each in found.checks],
    }


def convert(
    source: str, output: Path | None, *, pandera: bool, lossy: bool = False, force: bool = False
) -> dict[str, Any]:
    """A schema file as pandera's source (`pandera`), or a schema of pandera's, FILE.py:NAME, as a schema file.

    InvalidInput lists what would be lost, unless that is permitted (`lossy`).
    """
    losses: tuple[str, ...]
    if pandera:
        text, losses = _to_pandera(read_schema(Path(source)))
    else:
        text, losses = _from_pandera(source)
    if losses and not lossy:
        many = f"{len(losses)} things" if len(losses) > 1 else "1 thing"
        raise InvalidInput(
            f"{many} in {source} cannot be said on the other side:\n  " + "\n  ".join(losses[:20]),
            code="LOSSY",
            context={"losses": losses[:100]},
            remedy="Take them out, or permit it: --lossy.",
        )
    _write(text, output, force=force)
    return {"source": source, "output": output and str(output), "losses": losses, "schema": text}


def _to_pandera(promised: SchemaSettings) -> tuple[str, tuple[str, ...]]:
    made = to_pandera(promised)
    return made.text, made.losses


def _from_pandera(source: str) -> tuple[str, tuple[str, ...]]:
    file, _, name = source.rpartition(":")
    if not file.endswith(".py"):
        raise InvalidInput(f"{source} names no schema of pandera's.", remedy="Write it FILE.py:NAME.")
    module = load_module(Path(file))
    if not hasattr(module, name):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise NotFound(f"{file} has no '{name}'.", code="NO_PANDERA_SCHEMA", remedy=did_you_mean(name, known))
    read = from_pandera(getattr(module, name))
    heading = [f"Read from {source}.", *(f"Not said here: {each}" for each in read.losses)]
    return write_schema(read.promised, heading=heading), read.losses


def _write(text: str, output: Path | None, *, force: bool) -> None:
    if output is None:
        return
    if output.exists() and not force:
        raise Conflict(f"{output} exists already.", code="FILE_EXISTS", remedy="Choose another name, or add --force.")
    if not output.parent.is_dir():
        raise InvalidInput(f"There is no folder {output.parent}.", remedy="Make it first.")
    atomic_write(output, text.encode())
