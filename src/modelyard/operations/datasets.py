"""Profiles and splits of files, which need no project; and dataset versions, which do."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from modelyard.access import Permission
from modelyard.core import Conflict, InvalidInput, Verdict, atomic_write, check_name
from modelyard.data import (
    Profile,
    Version,
    check_split,
    open_data,
    profile,
    profile_page,
    read_table,
    split,
)

from .contract import Call, Option, operation
from .pipelines import readers


@dataclass(frozen=True)
class AddVersion:
    """Files to keep as a version."""

    name: Annotated[str, Option("Dataset.", positional=True)]
    files: Annotated[tuple[Path, ...], Option("Files of one schema.", positional=True)]
    note: Annotated[str, Option("What is special about it.")] = ""


@dataclass(frozen=True)
class ListVersions:
    """What to list."""

    name: Annotated[str | None, Option("Only versions of this dataset.", positional=True)] = None


@dataclass(frozen=True)
class OneDatasetVersion:
    """One version of a dataset."""

    name: Annotated[str, Option("Dataset.", positional=True)]
    version: Annotated[str, Option("Number, latest, or the beginning of its digest.", positional=True)] = "latest"


@dataclass(frozen=True)
class TwoVersions:
    """Two versions of a dataset."""

    name: Annotated[str, Option("Dataset.", positional=True)]
    before: Annotated[str, Option("The older version.", positional=True)]
    after: Annotated[str, Option("The newer version.", positional=True)]


@dataclass(frozen=True)
class SplitFile:
    """A file to split, and how. `keys`: columns whose values should not stand in two parts."""

    file: Path
    output: Path
    into: str
    by: str = "random"
    key: str | None = None
    seed: int = 0
    label: str | None = None
    keys: tuple[str, ...] = ()


@operation("data", "version add", Permission.DEVELOP, local=True)
def add_version(call: Call[AddVersion]) -> Any:
    """Keep files as the next version of a dataset, and judge the pipelines that read it.

    Content that a version has already makes no new one.
    """
    given = call.input
    added = call.project.datasets.add(given.name, given.files, note=given.note, by=call.principal.name)
    return {"new": added.new, **_shown(added.version), "pipelines": readers(call.project, given.name)}


@operation("data", "version list", Permission.READ)
def list_versions(call: Call[ListVersions]) -> Any:
    """List dataset versions."""
    return [_shown(each) for each in call.project.datasets.versions(call.input.name)]


@operation("data", "version show", Permission.READ)
def show_version(call: Call[OneDatasetVersion]) -> Any:
    """Show a version: its files, its schema, and its profile."""
    version = call.project.datasets.get(call.input.name, call.input.version)
    described = shown_profile(call.project.datasets.profile(version))
    return {**_shown(version), "schema": msgspec.to_builtins(version.columns), "profile": described}


@operation("data", "version diff", Permission.READ)
def diff_versions(call: Call[TwoVersions]) -> Any:
    """What changed between two versions: rows, files, schema, and the distribution of each column."""
    given = call.input
    return msgspec.to_builtins(call.project.datasets.diff(given.name, given.before, given.after))


def profile_file(file: Path, html: Path | None = None) -> dict[str, Any]:
    """Describe a file; with `html` also as a page of its own."""
    if html is not None and html.exists() and file.exists() and html.samefile(file):
        raise InvalidInput(f"{html} is the data itself.", code="SAME_FILE", remedy="Give the page another name.")
    reading = open_data(file)
    return described(str(file), reading.schema, reading.batches(), html)


def described(name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], html: Path | None) -> dict[str, Any]:
    """The profile of rows that go by this name; with `html` also as a page of its own."""
    made = profile(schema, batches)
    if html is not None:
        atomic_write(html, profile_page(made, Path(name).name).encode())
    return {"file": name, "page": str(html) if html is not None else None, **shown_profile(made)}


def shown_profile(made: Profile) -> dict[str, Any]:
    """A profile as JSON, without the fine bins that only comparisons read."""
    shown: dict[str, Any] = msgspec.to_builtins(made)
    for column in shown["columns"]:
        if column["quantities"] is not None:
            del column["quantities"]["distribution"]
    return shown


def split_file(given: SplitFile) -> dict[str, Any]:
    """Write the parts of a file as Parquet into a new folder, and judge whether one part tells of another."""
    into = shares_of(given.into)
    if given.output.exists():
        raise Conflict(f"{given.output} exists already.", code="FOLDER_EXISTS", remedy="Choose another folder.")
    parts = split(read_table(given.file), into, by=given.by, key=given.key, seed=given.seed)
    way, _, column = given.by.partition(":")
    keys = [*given.keys, *([given.key] if given.key else []), *([column] if way == "group" else [])]
    judged = check_split(
        parts, keys=list(dict.fromkeys(keys)), time=column if way == "time" else None, label=given.label
    )
    _write(parts, given.output)
    return {
        "file": str(given.file),
        "folder": str(given.output),
        "by": given.by,
        "seed": given.seed,
        "parts": [_part(name, part, into[name], given.output, parts) for name, part in parts.items()],
        "verdict": judged.verdict.value,
        "reasons": list(judged.reasons),
        "evidence": dict(judged.evidence),
    }


def passed(result: Mapping[str, Any]) -> bool:
    """Whether the parts of a split were found not to tell of each other, or nothing was found out."""
    return bool(result["verdict"] != Verdict.FAIL.value)


def shares_of(text: str) -> dict[str, float]:
    """`train=0.8,test=0.2` as shares by part; InvalidInput names the piece that is none."""
    shares: dict[str, float] = {}
    for piece in text.split(","):
        name, _, share = piece.strip().partition("=")
        try:
            number = float(share)
        except ValueError:
            raise InvalidInput(
                f"{piece.strip()[:80]!r} is no share of a part.",
                code="BAD_SHARES",
                remedy="Write NAME=SHARE, separated by commas, such as train=0.8,test=0.2.",
            ) from None
        if name in shares:
            raise InvalidInput(f"The part '{name}' is named twice.", code="BAD_SHARES", remedy="Name each part once.")
        shares[check_name("part", name)] = number
    return shares


def _part(name: str, part: pa.Table, share: float, folder: Path, parts: Mapping[str, pa.Table]) -> dict[str, Any]:
    whole = sum(len(each) for each in parts.values())
    file = str(folder / f"{name}.parquet")
    return {"name": name, "rows": len(part), "share": len(part) / whole, "asked": share, "file": file}


def _write(parts: Mapping[str, pa.Table], folder: Path) -> None:
    """All parts, or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name[:60]}."))
    try:
        for name, part in parts.items():
            pq.write_table(part, scratch / f"{name}.parquet")
        scratch.chmod(0o755)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _shown(version: Version) -> dict[str, Any]:
    """A version in short; its columns and its profile are for `show`."""
    files: Sequence[dict[str, Any]] = msgspec.to_builtins(version.files)
    return {
        "name": version.name,
        "number": version.number,
        "digest": version.digest,
        "rows": version.rows,
        "columns": len(version.columns),
        "bytes": version.bytes,
        "files": files,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "note": version.note,
    }
