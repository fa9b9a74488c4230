"""From a schema and the columns that are there to the rules of one pass, and what needs no pass to be told."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from modelyard.core import did_you_mean
from modelyard.core.durations import format_duration
from modelyard.data.errors import CannotKeep
from modelyard.data.schema.relation import Expression
from modelyard.data.schema.settings import ColumnChecks, Relation, SchemaSettings, Severity, UniqueTogether, whole
from modelyard.data.schema.types import FAMILIES, fits, shown_type, type_name

from .bounds import End, limit, written
from .levels import levels_of
from .result import CheckResult
from .rules import Every, HasLength, InOrder, InRange, Matches, NotNull, OneOf, Related, Rule, comparable
from .seen import seen_type


@dataclass(frozen=True)
class Promise:
    """A check and its words: `promise` as it was declared, `phrase` of the rows that break it ("are missing")."""

    columns: tuple[str, ...]
    check: str
    promise: str
    phrase: str
    tolerance: float = 0.0
    severity: Severity = "fail"

    @property
    def subject(self) -> str:
        """What a message begins with."""
        if len(self.columns) == 1:
            return f"Column '{self.columns[0]}'"
        return "Columns " + ", ".join(f"'{each}'" for each in self.columns)

    def settled(self, message: str) -> CheckResult:
        """The result of a check that cannot be kept whatever the rows."""
        return CheckResult(", ".join(self.columns), self.check, self.promise, self.severity, message=message)


@dataclass(frozen=True)
class Asked:
    """A promise about rows, and the rule that finds those which break it; without one, no row can."""

    promise: Promise
    rule: Rule | None


@dataclass(frozen=True)
class Plan:
    """What one pass has to find out, and what is settled already."""

    settled: tuple[CheckResult, ...]
    rules: tuple[Asked, ...]
    keys: tuple[Promise, ...]
    newest: tuple[tuple[Promise, ColumnChecks], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have to be read."""
        promises = [*(each.promise for each in self.rules), *self.keys, *(each for each, _ in self.newest)]
        return tuple(dict.fromkeys(name for each in promises for name in each.columns))


def compile_checks(schema: pa.Schema, promised: SchemaSettings) -> Plan:
    """The plan of a table with these columns. What a type cannot keep is settled: it breaks its promise."""
    builder = _Builder(schema)
    for name, checks in promised.columns.items():
        builder.column(name, checks)
    for key in promised.unique_together:
        builder.together(key)
    for relation in promised.relations:
        builder.relation(relation)
    builder.unnamed(promised)
    return Plan(tuple(builder.settled), tuple(builder.rules), tuple(builder.keys), tuple(builder.newest))


class _Builder:
    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.settled: list[CheckResult] = []
        self.rules: list[Asked] = []
        self.keys: list[Promise] = []
        self.newest: list[tuple[Promise, ColumnChecks]] = []

    def column(self, name: str, checks: ColumnChecks) -> None:
        """Everything promised of one column."""
        present = Promise((name,), "present", "is there", "", severity=checks.severity_of("present"))
        there = self._schema.names.count(name)
        if there == 0 and not checks.required:
            return
        if there != 1:
            self.settled.append(present.settled(self._absent(name)))
            return
        kind = self._schema.field(name).type
        self.settled.append(CheckResult(name, "present", "is there", "pass"))
        if checks.type is not None:
            self._type(name, kind, checks)
        for promise in _promises(name, checks):
            self._ask(promise, kind, checks)

    def together(self, key: UniqueTogether) -> None:
        """Columns that are unique together."""
        promise = Promise(
            key.columns, "unique_together", "unique together", "are repeated", key.tolerance, key.severity
        )
        if self._complete(promise):
            self._unique(promise)

    def relation(self, relation: Relation) -> None:
        """A comparison of columns."""
        expression = relation.expression
        phrase = f"break {relation.that}"
        promise = Promise(expression.columns, "relation", relation.that, phrase, relation.tolerance, relation.severity)
        if not self._complete(promise):
            return
        kinds = [seen_type(self._schema.field(each).type) for each in expression.columns]
        right = kinds[-1] if isinstance(expression.right, str) else expression.right
        if not comparable(kinds[0], right):
            types = " and ".join(type_name(each) for each in kinds)
            message = f"{promise.subject} of type {types} cannot be compared so: {relation.that}."
            self.settled.append(promise.settled(message))
            return
        self.rules.append(Asked(promise, _related(expression)))

    def unnamed(self, promised: SchemaSettings) -> None:
        """Columns of which nothing is promised."""
        if promised.extra_columns == "allow":
            return
        extra = [each for each in self._schema.names if each not in promised.columns]
        outcome = promised.extra_columns if extra else "pass"
        message = f"{len(extra)} columns are not in the schema: {_some(extra)}." if extra else ""
        self.settled.append(CheckResult("", "extra_columns", "no columns but these", outcome, message=message))

    def _absent(self, name: str) -> str:
        there = self._schema.names.count(name)
        found = "is not there" if there == 0 else f"is there {there} times"
        return f"Column '{name}' {found}. {did_you_mean(name, self._schema.names)}"

    def _complete(self, promise: Promise) -> bool:
        absent = [each for each in promise.columns if self._schema.names.count(each) != 1]
        if absent:
            self.settled.append(promise.settled(f"{promise.promise}: {self._absent(absent[0])}"))
        return not absent

    def _type(self, name: str, kind: pa.DataType, checks: ColumnChecks) -> None:
        declared = str(checks.type)
        promise = Promise((name,), "type", declared, "", severity=checks.severity_of("type"))
        if fits(declared, kind):
            self.settled.append(CheckResult(name, "type", declared, "pass"))
        else:
            self.settled.append(promise.settled(f"Column '{name}' is of type {type_name(kind)}, not {declared}."))

    def _ask(self, promise: Promise, kind: pa.DataType, checks: ColumnChecks) -> None:
        if pa.types.is_null(seen_type(kind)) and promise.check != "not_null":
            self.rules.append(Asked(promise, None))  # a type without values: they cannot be of the wrong one
            return
        try:
            if promise.check == "unique":
                self._unique(promise)
            elif promise.check == "max_age":
                _must_be(FAMILIES["timestamp"](kind) or FAMILIES["date"](kind), "an age")
                self.newest.append((promise, checks))
            else:
                self.rules.append(Asked(promise, _rule(promise.check, kind, checks)))
        except CannotKeep as reason:
            message = f"{promise.subject} is of type {shown_type(kind)}, which cannot have {reason.message}."
            self.settled.append(promise.settled(message))

    def _unique(self, promise: Promise) -> None:
        for name in promise.columns:
            kind = self._schema.field(name).type
            if pa.types.is_nested(seen_type(kind)):
                message = f"Column '{name}' is of type {shown_type(kind)}, whose values are not compared."
                self.settled.append(promise.settled(message))
                return
        self.keys.append(promise)


def _promises(name: str, checks: ColumnChecks) -> Iterator[Promise]:
    """The promises about a column's values, with the words for each."""
    words: dict[str, tuple[str, str]] = {
        "not_null": ("no missing values", "are missing"),
        "minimum": (f"at least {written(checks.minimum)}", f"are below {written(checks.minimum)}"),
        "maximum": (f"at most {written(checks.maximum)}", f"are above {written(checks.maximum)}"),
        "allowed": (f"one of {_some(checks.allowed or ())}", "are none of the allowed levels"),
        "pattern": (f"matches {checks.pattern}", f"do not match {checks.pattern}"),
        "min_length": (f"length at least {checks.min_length}", f"are shorter than {checks.min_length}"),
        "max_length": (f"length at most {checks.max_length}", f"are longer than {checks.max_length}"),
        "unique": ("unique", "are repeated"),
        "order": (f"{checks.order}", f"are not in {checks.order} order"),
        "max_age": (f"newest no older than {checks.max_age and format_duration(checks.max_age)}", ""),
    }
    for check, (promise, phrase) in words.items():
        asked = getattr(checks, check)
        if asked is not None and asked is not False:
            yield Promise((name,), check, promise, phrase, checks.tolerance_of(check), checks.severity_of(check))


def _rule(check: str, kind: pa.DataType, checks: ColumnChecks) -> Rule | None:
    """The rule of a check; None when no value of the type can break it."""
    seen = seen_type(kind)
    if check == "not_null":
        return NotNull()
    if check in ("minimum", "maximum"):
        return _range(seen, "minimum" if check == "minimum" else "maximum", checks)
    if check == "allowed":
        return OneOf(levels_of(kind, checks.allowed or ()))
    if check == "order":
        _must_be(not pa.types.is_nested(seen) and not pa.types.is_null(seen), "an order")
        return InOrder(descending=checks.order == "descending")
    return _of_text(check, seen, checks)


def _of_text(check: str, seen: pa.DataType, checks: ColumnChecks) -> Rule:
    """The rules of texts and of what else has a length."""
    if check == "pattern":
        _must_be(_is_text(seen), "a pattern")
        return Matches(whole(str(checks.pattern)))
    binary = pa.types.is_binary(seen) or pa.types.is_large_binary(seen)
    _must_be(_is_text(seen) or binary or FAMILIES["list"](seen), "a length")
    if checks.min_length is not None and check == "min_length":
        return HasLength("minimum", checks.min_length)
    return HasLength("maximum", checks.max_length or 0)


def _range(kind: pa.DataType, end: End, checks: ColumnChecks) -> Rule | None:
    bound = checks.minimum if end == "minimum" else checks.maximum
    if bound is None:
        return None
    found = limit(kind, bound, end)
    if isinstance(found, pa.Scalar):
        return InRange(end, found)
    return Every() if found == "every" else None


def _related(expression: Expression) -> Related:
    number = None if isinstance(expression.right, str) else expression.right
    return Related(expression.operator, number)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _must_be(kept: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not kept:
        raise CannotKeep(what)


def _some(names: tuple[str, ...] | list[str], shown: int = 8) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(each if len(each) <= 40 else each[:40] + "…" for each in names[:shown]) + more
