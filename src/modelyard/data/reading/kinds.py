"""Which type the texts of a column may have without any value being changed: the lattice behind CSV's types.

A column begins as nothing (only missing values), takes the kind of its first value, and widens while values come that
do not fit, in the end to text, which fits always. A kind fits only if every text of it comes back from the value: no
leading zero, sign or digit is lost.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

EXACT_INTEGER = 2**53
"""Up to here every integer is a float64 (IEEE 754: 53 bits of significand)."""

_SAFE_DIGITS = 15
"""Decimals of so many significant digits always come back from a float64 (DBL_DIG of C)."""

_WORDS = ("nan", "NaN", "inf", "-inf", "Inf", "-Inf", "Infinity", "-Infinity")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CODE = re.compile(r"[0-9]+[eE][0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,9}))?)?"
    r"(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_ODD_FLOAT = r"^(?:\+|-?0[0-9])|[nNyY]"
_FRACTION = r"\.|[eE][+-]"
_UNUSUAL_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}([ T].*)?")
_REASONS = (
    (_INTEGER, "an integer beyond 64 bits"),
    (re.compile(r"[+-]?0[0-9][0-9.]*"), "a number with leading zeros, which a number would lose"),
    (_FLOAT, "a number with more digits than a float64 keeps"),
    (_UNUSUAL_DATE, "perhaps a date, and not written as 2026-01-31"),
)
_FIRST_YEAR = -62_135_596_800
"""Seconds from 1970 to the first of January of year 1, before which Python has no dates."""


@dataclass(frozen=True)
class Kind:
    """`name`: null, bool, int64, uint64, float64, date32, timestamp or text; an instant's unit and written offset."""

    name: str
    unit: str = ""
    offset: str = ""

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of its values."""
        if self.name != "timestamp":
            return _TYPES[self.name]
        return pa.timestamp(self.unit, _zone(self.offset) if self.offset else None)


NOTHING, TEXT = Kind("null"), Kind("text")
BOOL, INT, UINT, FLOAT, DATE = Kind("bool"), Kind("int64"), Kind("uint64"), Kind("float64"), Kind("date32")
_TYPES = {
    "null": pa.null(),
    "text": pa.string(),
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "date32": pa.date32(),
}


def _zone(offset: str) -> str:
    if offset == "Z":
        return "UTC"
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return f"{offset[0]}{digits[:2]}:{digits[2:]}"


def classify(text: str) -> Kind:
    """The narrowest kind of one text."""
    if text in _TRUE or text in _FALSE:
        return BOOL
    if _INTEGER.fullmatch(text):
        return _integer_kind(text)
    if text in _WORDS or (_FLOAT.fullmatch(text) and is_exact(text)):
        return FLOAT
    if _DATE.fullmatch(text):
        return DATE
    if match := _INSTANT.fullmatch(text):
        return Kind("timestamp", "ns" if len(match[1] or "") > 6 else "us", match[2] or "")
    return TEXT


def _integer_kind(text: str) -> Kind:
    value = int(text) if len(text) < 25 else 1 << 80
    if -(2**63) <= value < 2**63:
        return INT
    return UINT if 0 <= value < 2**64 else TEXT


def is_exact(text: str) -> bool:
    """Whether the nearest float64, written with as many significant digits, is the number again (IEEE 754)."""
    value = float(text)
    digits = re.split("[eE]", text.lstrip("-"))[0].replace(".", "").strip("0")
    if not digits:
        return True
    if value in (0.0, float("inf"), float("-inf")):
        return False
    return f"{abs(value):.{len(digits) - 1}e}".partition("e")[0].replace(".", "").strip("0") == digits


def why_text(text: str) -> str:
    """Why one value keeps its column from being anything but text."""
    for pattern, why in _REASONS:
        if pattern.fullmatch(text):
            return why
    if text != text.strip() and classify(text.strip()) != TEXT:
        return "surrounded by spaces"
    return "no number, date or truth value"


def join(one: Kind, other: Kind, *, exact: bool) -> Kind:
    """The narrowest kind that values of both have; `exact`: the integers among them are floats without loss."""
    if other in (one, NOTHING):
        return one
    if one == NOTHING:
        return other
    names = {one.name, other.name}
    if names == {"int64", "uint64"}:
        return UINT
    if "float64" in names and names <= {"int64", "uint64", "float64"} and exact:
        return FLOAT
    if names == {"timestamp"} and one.offset == other.offset:
        return Kind("timestamp", "ns", one.offset)
    return TEXT


def fits(kind: Kind, texts: pa.Array) -> bool:
    """Whether every text (none missing) is of the kind and comes back from its value."""
    try:
        return _FITS[kind.name](kind, texts)
    except pa.ArrowInvalid:
        return False


def _integers_fit(kind: Kind, texts: pa.Array) -> bool:
    return bool(texts.cast(kind.type).cast(pa.string()).equals(texts))


def _floats_fit(_: Kind, texts: pa.Array) -> bool:
    values = texts.cast(pa.float64())
    odd = texts.filter(pc.match_substring_regex(texts, _ODD_FLOAT))
    if len(odd) and not pc.all(pc.is_in(odd, value_set=pa.array(_WORDS))).as_py():
        return False
    size = pc.abs(values)
    extreme = pc.or_(pc.is_inf(values), pc.less(size, 1e-300))
    doubtful = pc.or_(pc.greater(pc.binary_length(texts), _SAFE_DIGITS), extreme)
    if not pc.any(doubtful).as_py():
        return True
    long, written = texts.filter(doubtful), values.filter(doubtful).cast(pa.string())
    differing = pc.unique(long.filter(pc.not_equal(long, written)))
    return all(each in _WORDS or is_exact(each) for each in differing.to_pylist())


def _dates_fit(_: Kind, texts: pa.Array) -> bool:
    days = texts.cast(pa.date32())
    return bool(pc.min(days.cast(pa.int32())).as_py() >= _FIRST_YEAR // 86_400) and days.cast(pa.string()).equals(texts)


def _instants_fit(kind: Kind, texts: pa.Array) -> bool:
    if not pc.all(pc.match_substring_regex(texts, f"^{_INSTANT.pattern}$")).as_py():
        return False
    if kind.offset and not pc.all(pc.ends_with(texts, kind.offset)).as_py():
        return False
    values = texts.cast(kind.type).cast(pa.int64())
    scale = 1_000_000 if kind.unit == "us" else 1_000_000_000
    return kind.unit == "ns" or bool(pc.min(values).as_py() >= (_FIRST_YEAR + 86_400) * scale)


_FITS: dict[str, Callable[[Kind, pa.Array], bool]] = {
    "null": lambda _, texts: len(texts) == 0,
    "text": lambda _, __: True,
    "bool": lambda _, texts: bool(pc.all(pc.is_in(texts, value_set=pa.array([*_TRUE, *_FALSE]))).as_py()),
    "int64": _integers_fit,
    "uint64": _integers_fit,
    "float64": _floats_fit,
    "date32": _dates_fit,
    "timestamp": _instants_fit,
}


def first_unfit(fit: Callable[[pa.Array], bool], texts: pa.Array) -> int | None:
    """The first place in `texts` that does not fit, found by halving; None when all do."""
    if fit(texts):
        return None
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if not fit(texts.slice(low, middle - low)) else (middle, high)
    return low


def _place(place_of: Callable[[int], str], begin: int, at: int) -> str:
    return place_of(begin + at)


@dataclass
class Column:
    """The kind of a column as far as it was looked at, and why."""

    kind: Kind = NOTHING
    why: str = "it has only missing values"
    largest: int = 0
    """The largest magnitude among integers."""
    negative: bool = False
    """Whether one of them is below zero."""
    code: str = ""
    """The first value such as 12e3, and where: a number, or a code with an E in it."""
    fractions: bool = False
    """Whether a value is written as only fractions are, so that the others are no codes either."""

    def settle(self) -> None:
        """All values were looked at: what may be codes is text, unless fractions stand beside it."""
        if self.kind == FLOAT and self.code and not self.fractions:
            self.kind, self.why = TEXT, f"{self.code} is either a number or a code with an E in it"

    def look(self, texts: pa.Array, place_of: Callable[[int], str]) -> None:
        """Widen the kind by texts, none missing; `place_of` tells where in the source one of them is."""
        begin = 0
        while self.kind != TEXT and begin < len(texts):
            rest = texts.slice(begin)
            at = first_unfit(lambda some: fits(self.kind, some), rest)
            self._remember(rest if at is None else rest.slice(0, at), partial(_place, place_of, begin))
            if at is None:
                return
            begin += at
            self._widen(texts[begin].as_py(), place_of(begin))

    def _remember(self, texts: pa.Array, place_of: Callable[[int], str]) -> None:
        if self.kind == FLOAT and not (self.code and self.fractions):
            self._remember_codes(texts, place_of)
        if self.kind in (INT, UINT) and len(texts):
            ends = pc.min_max(texts.cast(self.kind.type)).as_py()
            self.largest = max(self.largest, abs(ends["min"]), abs(ends["max"]))
            self.negative = self.negative or ends["min"] < 0

    def _remember_codes(self, texts: pa.Array, place_of: Callable[[int], str]) -> None:
        codes = pc.indices_nonzero(pc.match_substring_regex(texts, f"^(?:{_CODE.pattern})$"))
        if len(codes) and not self.code:
            at = codes[0].as_py()
            self.code = f"{texts[at].as_py()!r} in {place_of(at)}"
        self.fractions = self.fractions or bool(pc.any(pc.match_substring_regex(texts, _FRACTION)).as_py())

    def _widen(self, text: str, where: str) -> None:
        kind = classify(text)
        exact = self.largest <= EXACT_INTEGER and not (kind in (INT, UINT) and abs(int(text)) > EXACT_INTEGER)
        joined = join(self.kind, kind, exact=exact)
        beyond = joined == UINT and (self.negative or text.startswith("-"))
        if joined == self.kind or beyond or not fits(joined, pa.array([text])):
            joined = TEXT
        self.why = self._reason(text, where, kind, joined)
        self.kind = joined

    def _reason(self, text: str, where: str, kind: Kind, joined: Kind) -> str:
        from_ = "its values" if self.kind == NOTHING else self.kind.name
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        if joined != TEXT:
            return f"all values are {joined.type}" if self.kind == NOTHING else f"{from_}, and {shown!r} in {where}"
        if kind == TEXT:
            return f"{shown!r} in {where} is {why_text(text)}"
        if self.kind.name == kind.name == "timestamp":
            return f"instants of several offsets from UTC: {shown!r} in {where} is another than before"
        if {self.kind.name, kind.name} <= {"date32", "timestamp"}:
            return f"dates in several formats: {shown!r} in {where} is another than before"
        if {self.kind.name, kind.name} <= {"int64", "uint64", "float64"}:
            return f"integers that a float64 would change beside {shown!r} in {where}"
        return f"{shown!r} in {where} is {kind.name}, the values before are {from_}"
