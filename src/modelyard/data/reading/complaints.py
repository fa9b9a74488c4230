"""One error for everything that cannot be read: it names file, row, column and value, and is never long."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa

from modelyard.core import is_of_a_store
from modelyard.data.errors import UnreadableData

from .facts import Damage

SHOWN = 80
"""So many characters of a value or a name are shown."""

_DRIVERS = "Install the driver it names; for s3://: pip install 'modelyard[s3]'."

_STORE_REMEDY = "Check the address, the credentials and the right to read it."

LOWER_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    MemoryError,
    ArithmeticError,
    zlib.error,
    zipfile.BadZipFile,
    pa.ArrowException,
)
"""What Arrow, fsspec, zlib and the operating system raise over data that they cannot read."""


def clip(value: object, shown: int = SHOWN) -> str:
    """A value as it is written in a message: control characters escaped, no longer than `shown`."""
    text = repr(value[: shown + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= shown else f"{text[:shown]}…"


def unreadable(
    what: str,
    file: str,
    *,
    row: int | None = None,
    line: int | None = None,
    column: str | None = None,
    value: object = None,
    remedy: str = "",
) -> UnreadableData:
    """The error. `row` counts records of data from 1, `line` the lines of the file from 1."""
    file = file if len(file) <= 3 * SHOWN else f"{file[:SHOWN]}…{file[-2 * SHOWN :]}"
    place = {"row": row, "line": line, "column": column, "value": None if value is None else clip(value)}
    spelt = "".join(
        [
            f", row {row}" if row is not None else "",
            f" (line {line})" if row is not None and line is not None else "",
            f", line {line}" if row is None and line is not None else "",
            f", column {clip(column)}" if column is not None else "",
        ]
    )
    context = {"source": file, "file": file} | {key: each for key, each in place.items() if each is not None}
    return UnreadableData(f"Cannot read {file}{spelt}: {what}", context=context, remedy=remedy)


MOST_DAMAGED = 100_000
"""So many lines of a file may be no records of it; where there are more, it is something else."""


def damage_of(file: str, found: Mapping[int, tuple[str, str]]) -> tuple[Damage, ...]:
    """Lines with the reason and the text of each, in order. UnreadableData when there are more than `MOST_DAMAGED`."""
    if len(found) > MOST_DAMAGED:
        what = f"more than {MOST_DAMAGED:,} of its lines are no records."
        raise unreadable(what, file, remedy="Say its format, delimiter or quote.")
    return tuple(Damage(line, reason, clip(text, 4 * SHOWN)) for line, (reason, text) in sorted(found.items()))


@contextmanager
def mapped(file: str) -> Iterator[None]:
    """What lower libraries raise inside becomes UnreadableData with the file's name."""
    try:
        yield
    except ImportError as error:
        raise unreadable(f"{_brief(error)}.", file, remedy=_DRIVERS) from error
    except PermissionError as error:
        remedy = "Give this user the right to read it, or run as one who has it."
        raise unreadable("no permission.", file, remedy=remedy) from error
    except MemoryError as error:
        raise unreadable("it asks for more memory than there is; it may be damaged.", file) from error
    except RecursionError as error:
        raise unreadable("its values are nested too deeply.", file) from error
    except LOWER_ERRORS as error:
        raise unreadable(f"{_brief(error) or type(error).__name__}.", file) from error
    except Exception as error:
        if not is_of_a_store(error):
            raise
        raise unreadable(f"{_brief(error) or type(error).__name__}.", file, remedy=_STORE_REMEDY) from error


def _brief(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= 4 * SHOWN else f"{text[: 4 * SHOWN]}…"
