"""The log as views of DuckDB: `predictions`, `truths`, `labelled` and `outcomes`, for reading and nothing else."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from .catalog import Entry
from .errors import InvalidQuery, LogDamaged, QueryFailed
from .features import Kind, NamesOf, column_name
from .naming import named_places
from .partitions import Part
from .reading import FIXED, INTERNAL, LogFiles, Selection, Snapshot
from .tables import LATER

VIEWS = ("predictions", "truths", "labelled", "outcomes")
"""What can be asked: `truths` has every truth that was told, `labelled` the predictions without error with the truth
that counts."""

MEMORY_MB = 1024
"""Memory of a query; what needs more is put on the disk meanwhile."""

_LABELLED = """
CREATE VIEW labelled AS
SELECT p.*, w.won.label AS label, w.won.available_us AS label_available_us
FROM predictions p JOIN (
    SELECT deployment, prediction_id,
        arg_max({'label': label, 'available_us': available_us}, (available_us, received_us, segment, position)) AS won
    FROM every_truth GROUP BY deployment, prediction_id
) w ON p.deployment = w.deployment AND p.prediction_id = w.prediction_id
WHERE p.error IS NULL
"""


class Database:
    """A connection to the views over one selection of the log, in bounded memory. Not for several threads.

    Reads the files of the selection and no others, writes nothing, loads no extension, reaches no network.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def sql(self, query: str, *, limit: int | None = None) -> pa.RecordBatchReader:
        """The rows of one SELECT, as a stream of Arrow batches; with `limit` at most so many.

        InvalidQuery when it is not one, or names what is not there; QueryFailed when it needs more memory than it has;
        LogDamaged when a file is not what was written.
        """
        import duckdb  # noqa: PLC0415 - a quarter of a second that only queries pay

        with _told():
            statements = self.connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise InvalidQuery(
                    "The log is asked with one SELECT, and nothing else.",
                    remedy=f"SELECT … FROM {' | '.join(VIEWS)}. To write a file: modelyard log export.",
                )
            text = statements[0].query.strip().rstrip(";")
            wanted = text if limit is None else f"SELECT * FROM (\n{text}\n) LIMIT {limit}"
            reader = self.connection.sql(wanted).to_arrow_reader(65_536)

        def batches() -> Iterator[pa.RecordBatch]:
            with _told():
                yield from reader

        return pa.RecordBatchReader.from_batches(reader.schema, batches())


@contextmanager
def database(files: LogFiles, selection: Selection, names: NamesOf, scratch: Path | None = None) -> Iterator[Database]:
    """The views over the predictions of a selection, and over all truths and outcomes of its deployment and time.

    Without bounds of time every file is looked at; with them only those of that time. Truths go by their prediction's
    time: they are never pruned by their own. For the length of the block no file of the log is deleted.
    """
    import duckdb  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=scratch, prefix="query-")))
        options: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": f"{MEMORY_MB}MB",
            "temp_directory": str(place),
            "preserve_insertion_order": False,
        }
        connection = duckdb.connect(":memory:", config=options)
        stack.callback(connection.close)
        with _told():
            _open(connection, files, selection, names, stack)
        yield Database(connection)


def _open(connection: Any, files: LogFiles, selection: Selection, names: NamesOf, stack: ExitStack) -> None:
    """Make the views, then shut the connection off from everything but their files."""
    connection.execute("SET TimeZone = 'UTC'")
    allowed: list[str] = []
    predictions = stack.enter_context(files.snapshot("predictions"))
    allowed += _view(connection, "predictions", predictions, selection, names)
    truths = stack.enter_context(files.snapshot("truths"))
    allowed += _view(connection, "every_truth", truths, _truths_of(predictions, selection), names)
    outcomes = stack.enter_context(files.snapshot("outcomes"))
    others = Selection("outcomes", selection.deployment, selection.start, selection.end)
    allowed += _view(connection, "every_outcome", outcomes, others, names)
    for view in ("truth", "outcome"):
        connection.execute(f"CREATE VIEW {view}s AS SELECT * EXCLUDE (segment, position) FROM every_{view}")
    connection.execute(_LABELLED)
    quoted = ", ".join(_text(each) for each in allowed)
    connection.execute(f"SET allowed_paths = [{quoted}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _truths_of(predictions: Snapshot, selection: Selection) -> Selection:
    """Truths that may be of a selection's predictions, by the ids that its files and loose records hold."""
    if selection.start is None and selection.end is None:
        return Selection("truths", selection.deployment)
    parts = predictions.loose_parts(selection)
    loose = [each for part in parts for each in part.table.column("prediction_id").to_pylist()]
    kept = predictions.files(selection)
    lowest = min([*(each.first_id for each in kept), *loose], default="~")
    highest = max([*(each.last_id for each in kept), *loose], default="~")
    return Selection("truths", selection.deployment, first_id=lowest, last_id=highest)


def _view(connection: Any, name: str, snapshot: Snapshot, selection: Selection, names: NamesOf) -> list[str]:
    """Make a view of a selection; returns the files it reads."""
    groups: dict[tuple[str, str, tuple[Kind, ...], tuple[str, ...]], list[Entry]] = {}
    for entry in snapshot.files(selection):
        groups.setdefault((entry.deployment, entry.version, entry.kinds, entry.later), []).append(entry)
    parts: list[str] = []
    for (deployment, version, kinds, later), entries in groups.items():
        paths = ", ".join(_text(str(snapshot.folder / each.name)) for each in entries)
        columns = _columns(snapshot, names(deployment, version) if version else None, kinds, later)
        parts.append(f"SELECT {columns} FROM read_parquet([{paths}], hive_partitioning = false)")
    for index, part in enumerate(_loose(snapshot, selection)):
        connection.register(f"{name}_{index}", part.table)
        known = names(part.deployment, part.version) if part.version else None
        columns = _columns(snapshot, known, part.kinds, tuple(LATER[snapshot.family]))
        parts.append(f"SELECT {columns} FROM {name}_{index}")
    where = _where(selection)
    body = "\nUNION ALL BY NAME\n".join(f"{part}{where}" for part in parts)
    connection.execute(f"CREATE VIEW {_name(name)} AS {body or _nothing(connection, name, snapshot)}")
    return [str(snapshot.folder / each.name) for entries in groups.values() for each in entries]


def _loose(snapshot: Snapshot, selection: Selection) -> list[Part]:
    """What is not sealed, by deployment and version."""
    if snapshot.family != "predictions":
        return [each for each in snapshot.loose_parts(selection) if len(each.table)]
    own = set(snapshot.loose.column("deployment").to_pylist())
    wanted = own if selection.deployment is None else own & {selection.deployment}
    return [part for each in sorted(wanted) for part in snapshot.loose_parts(replace(selection, deployment=each))]


def _columns(snapshot: Snapshot, names: Sequence[str] | None, kinds: Sequence[Kind], later: Collection[str]) -> str:
    """The columns of some files, which have those of the `later` ones; what stands for the others in their place."""
    absent = {name: value for name, value in LATER[snapshot.family].items() if name not in later}
    fixed = [
        f"{_literal(absent[each])} AS {_name(each)}" if each in absent else _name(each)
        for each in FIXED[snapshot.family]
        if each not in INTERNAL
    ]
    if snapshot.family != "predictions":
        return ", ".join([*fixed, "segment", "position"])
    places = named_places(names, len(kinds))
    features = [f"{column_name(place)} AS {_name(name)}" for place, name in places.items()]
    return ", ".join([*fixed, "has_features", *features])


def _where(selection: Selection) -> str:
    """The selection as SQL; its values are quoted."""
    conditions = [f"{name} = {_literal(value)}" for name, value in selection.equal.items()]
    if selection.start is not None:
        conditions.append(f"{selection.time} >= {_literal(selection.start.isoformat())}::TIMESTAMPTZ")
    if selection.end is not None:
        conditions.append(f"{selection.time} < {_literal(selection.end.isoformat())}::TIMESTAMPTZ")
    if selection.first_id is not None:
        conditions.append(f"prediction_id >= {_literal(selection.first_id)}")
    if selection.last_id is not None:
        conditions.append(f"prediction_id <= {_literal(selection.last_id)}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _nothing(connection: Any, name: str, snapshot: Snapshot) -> str:
    """A view of no records, with the columns that records would have."""
    empty = snapshot.loose.slice(0, 0)
    if snapshot.family == "predictions":
        empty = empty.drop_columns(["features", *INTERNAL])
        empty = empty.append_column("has_features", pa.array([], pa.bool_()))
    connection.register(f"no_{name}", empty)
    return f"SELECT * FROM no_{name}"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else _text(str(value))


@contextmanager
def _told() -> Iterator[None]:
    """DuckDB's errors as ours, in few words."""
    import duckdb  # noqa: PLC0415 - as above

    try:
        yield
    except (
        duckdb.ParserException,
        duckdb.BinderException,
        duckdb.CatalogException,
        duckdb.PermissionException,
    ) as error:
        raise InvalidQuery(
            _short(error), remedy=f"Views: {', '.join(VIEWS)}. Their columns: SELECT * FROM predictions LIMIT 1"
        ) from error
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        if ".parquet" in str(error):
            raise _damaged(error) from error
        raise InvalidQuery(_short(error), remedy="Correct the values that the query compares or converts.") from error
    except duckdb.IOException as error:
        raise _damaged(error) from error
    except duckdb.Error as error:
        raise QueryFailed(
            _short(error), remedy="Ask for fewer rows or a shorter time: --since, --until, --deployment."
        ) from error


def _damaged(error: Exception) -> LogDamaged:
    return LogDamaged(_short(error), remedy="See which files are damaged: modelyard log verify")


def _short(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:400]
