"""How a CSV file is written: delimiter, quotes and header, told from its first records."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .complaints import clip, unreadable
from .options import ReadOptions
from .recognise import Recognised

_CANDIDATES = (",", ";", "\t", "|")
_LOOKED_AT = 100
_DATA_LIKE = re.compile(r"[-+]?(\d[\d.,:/TZ +-]*|\.\d+)([eE][-+]?\d+)?|(?i:nan|inf|true|false)")
_SPELT = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass(frozen=True)
class Dialect:
    """`quote` is "" when there is none; `names` are the columns in the file's order."""

    delimiter: str
    quote: str
    header: bool
    names: tuple[str, ...]
    notes: tuple[str, ...]


def tell_dialect(found: Recognised, options: ReadOptions) -> Dialect:
    """UnreadableData when two delimiters fit, when header and data cannot be told apart, or names stand twice."""
    quote = '"' if options.quote is None else options.quote
    records = _records(found.head, quote, whole=found.whole)
    if not records:
        raise unreadable("its first record is longer than can be looked at.", found.file.name)
    delimiter, notes = (options.delimiter, []) if options.delimiter else _delimiter(found, records, quote)
    first = _fields(found.file.name, records[0], delimiter, quote)
    header = _is_header(found.file.name, first, notes) if options.header is None else options.header
    names = first if header else [f"column_{at}" for at in range(1, len(first) + 1)]
    if not header:
        notes.append("There is no header: columns are called column_1, column_2, …")
    _refuse_twice(found.file.name, names)
    return Dialect(delimiter, quote, header, tuple(names), tuple(notes))


def _records(text: str, quote: str, *, whole: bool) -> list[str]:
    """The first records, their line ends taken off; the last is left out when it may go on."""
    found, begin, text = [], 0, text.lstrip("\r\n")
    for end in _ends(text, quote):
        found.append(text[begin:end])
        begin = end + 1
        if len(found) > _LOOKED_AT:
            return [each.strip("\r") for each in found if each.strip("\r")]
    if whole and begin < len(text):
        found.append(text[begin:])
    return [each.strip("\r") for each in found if each.strip("\r")]


def _ends(text: str, quote: str) -> Iterator[int]:
    inside = False
    for match in re.finditer(f"[\r\n{re.escape(quote)}]", text):
        if match[0] == quote:
            inside = not inside
        elif not inside:
            yield match.start()


def _delimiter(found: Recognised, records: list[str], quote: str) -> tuple[str, list[str]]:
    bare = [_unquoted(each, quote) for each in records]
    present = [each for each in _CANDIDATES if each in bare[0]]
    if not present:
        always = [each for each in _CANDIDATES if len(bare) > 1 and all(each in record for record in bare[1:])]
        return (always[0] if always else ","), [] if always else ["No delimiter is in its header: it has one column."]
    even = [each for each in present if len({record.count(each) for record in bare}) == 1]
    if "\t" in even and found.format == "tsv":
        return "\t", []
    if len(even) == 1 or (not even and len(present) == 1):
        return (even or present)[0], []
    if not even:
        return max(present, key=bare[0].count), []
    spelt = " and ".join(_SPELT[each] for each in even)
    raise unreadable(f"{spelt} fit as its delimiter alike.", found.file.name, remedy='Say which: delimiter: ";".')


def _unquoted(record: str, quote: str) -> str:
    return re.sub(f"{quote}[^{quote}]*{quote}", "", record) if quote else record


def _fields(name: str, record: str, delimiter: str, quote: str) -> list[str]:
    try:
        lines = io.StringIO(record, newline="")
        if not quote:
            return next(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        return next(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True))
    except (csv.Error, StopIteration) as error:
        raise unreadable(f"its first record is no CSV: {error}.", name, line=1, value=record) from error


def _is_header(name: str, first: list[str], notes: list[str]) -> bool:
    """The first record is the header, unless it looks like data; 0, 1, 2, … are names that pandas gives."""
    if len(first) > 2 and first == [str(at) for at in range(len(first))]:
        notes.append("The first record, 0, 1, 2, …, is taken for the header.")
        return True
    if not all(_DATA_LIKE.fullmatch(each.strip()) for each in first):
        return True
    shown = clip(", ".join(first))
    what = f"its first record, {shown}, may be a header or data."
    raise unreadable(what, name, line=1, remedy="Say header: true or header: false.")


def _refuse_twice(name: str, names: list[str]) -> None:
    if twice := [each for each, count in Counter(names).items() if count > 1]:
        shown = ", ".join(clip(each) for each in twice[:5])
        what = f"{len(twice)} of its columns have a name that another has: {shown}."
        raise unreadable(what, name, column=twice[0], remedy="Rename them.")
