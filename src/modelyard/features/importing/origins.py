"""Where Feast's views read their rows, as sources here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from .errors import LeftOut
from .records import FeastSource, FeastView
from .writing import Code, call, written


@dataclass(frozen=True)
class Folders:
    """The Feast repository, from which its paths begin, and the folder from which those of the module will."""

    repository: Path
    module: Path

    def path(self, given: str) -> str:
        """A path of the repository for the module; URLs and absolute ones stay as they are."""
        if "://" in given or Path(given).is_absolute():
            return given
        return relpath(self.repository / given, self.module)

    def is_folder(self, given: str) -> bool:
        """Whether it is a folder of files on this machine."""
        return "://" not in given and (self.repository / given).is_dir()


@dataclass(frozen=True)
class Origin:
    """What a view reads: the source as Python, and the names of its times there."""

    code: Code
    event_time: str
    created: str


def origin_of(view: FeastView, features: Sequence[str], folders: Folders) -> Origin:
    """The source of a view that reads these columns. LeftOut when nothing here reads such a source."""
    source = view.source
    if source is None:
        raise LeftOut("it has no batch source, from which training rows could be read")
    _check(source)
    columns = {feature: column for column, feature in source.mapping.items()}
    event, created = columns.get(source.event_time, source.event_time), columns.get(source.created, source.created)
    names = [*view.join_keys, *features, *(source.mapping.get(each, each) for each in (event, created) if each)]
    named = {name: columns.get(name, name) for name in dict.fromkeys(names)}
    path = folders.path(source.path)
    code = Code(written(path))
    if any(name != column for name, column in named.items()):
        place = f"{path}/*.parquet" if folders.is_folder(source.path) else path
        code = call("my.SqlSource", _query(place, named))
    return Origin(code, source.mapping.get(event, event), source.mapping.get(created, created) if created else "")


def _check(source: FeastSource) -> None:
    if source.kind != "FileSource":
        raise LeftOut(f"its source '{source.name}' is a {source.kind}, which is not read here: export it to Parquet")
    if source.format not in ("", "ParquetFormat"):
        raise LeftOut(f"its source '{source.name}' is in {source.format}: export it to Parquet")
    if not source.event_time:
        raise LeftOut(f"its source '{source.name}' does not say which column is the event time (timestamp_field)")


def _query(path: str, columns: Mapping[str, str]) -> str:
    """Columns of a file under other names, for DuckDB."""
    listed = ", ".join(_quoted(column) if name == column else f"{_quoted(column)} AS {_quoted(name)}"
                       for name, column in columns.items())  # fmt: skip
    escaped = path.replace("'", "''")
    return f"SELECT {listed} FROM '{escaped}'"


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
