"""What deserves a look, in sentences."""

from collections.abc import Iterator, Sequence

from .records import Association, Column, Count, Finding

MISSING, ALMOST_ALL = 0.5, 0.95
ID_ROWS = 50
"""Among fewer rows, different values say nothing about ids."""

LEVELS = 1_000
SKEW = 5.0
OUTLYING = 0.02
ALIKE = 0.95


def findings(
    rows: int, duplicates: Count, columns: Sequence[Column], associations: Sequence[Association]
) -> tuple[Finding, ...]:
    """Every finding: of the table, of each column in order, of pairs."""
    return (
        *_of_table(rows, duplicates),
        *(each for column in columns for each in _of_column(rows, column)),
        *_of_pairs(associations),
    )


def _of_table(rows: int, duplicates: Count) -> Iterator[Finding]:
    if rows == 0:
        yield Finding("NO_ROWS", "The table has no rows.")
    if duplicates.value:
        about = "" if duplicates.exact else "about "
        share = duplicates.value / rows
        yield Finding("DUPLICATES", f"{about.capitalize()}{duplicates.value:,} rows ({share:.1%}) repeat another row.")


def _of_column(rows: int, column: Column) -> Iterator[Finding]:
    there = rows - column.missing
    if rows and not there:
        yield _said(column, "ALL_MISSING", "has no value at all.")
        return
    if rows and column.missing / rows >= MISSING:
        yield _said(column, "MOSTLY_MISSING", f"is missing in {column.missing / rows:.1%} of the rows.")
    if column.distinct.value == 1:
        yield _said(column, "CONSTANT", f"always has the same value{_first(column)}: it tells nothing.")
    elif there and column.top and column.top_exact and column.top[0].count / there >= ALMOST_ALL:
        yield _said(column, "NEARLY_CONSTANT", f"is {_quoted(column)} in {column.top[0].count / there:.1%} of rows.")
    yield from _of_levels(there, column)
    yield from _of_numbers(there, column)
    yield from _of_strings(column)


def _of_levels(there: int, column: Column) -> Iterator[Finding]:
    whole = column.kind == "text" or (column.kind == "number" and "int" in column.type)
    if whole and there >= ID_ROWS and column.distinct.value >= 0.99 * there:
        yield _said(column, "ID_LIKE", "looks like an id: nearly each row has a value of its own. Keep it from models.")
    elif column.kind == "text" and column.distinct.value > LEVELS:
        about = "" if column.distinct.exact else "about "
        levels = f"has {about}{column.distinct.value:,} different values"
        yield _said(column, "MANY_LEVELS", f"{levels}: as a category most would be rare.")


def _of_numbers(there: int, column: Column) -> Iterator[Finding]:
    numbers = column.quantities
    if numbers is None or column.kind != "number":
        return
    if numbers.nans and column.nulls:
        yield _said(column, "TWO_KINDS_OF_MISSING", f"has {column.nulls:,} nulls and {numbers.nans:,} NaN.")
    if numbers.infinities:
        yield _said(column, "INFINITE", f"has {numbers.infinities:,} infinite values; the figures leave them out.")
    if numbers.skew is not None and abs(numbers.skew) >= SKEW:
        side = "right" if numbers.skew > 0 else "left"
        yield _said(column, "SKEWED", f"is very skewed ({numbers.skew:.1f}): a few values lie far to the {side}.")
    if column.distinct.value > 2 and numbers.zeros / max(1, there) >= MISSING:
        yield _said(column, "MANY_ZEROS", f"is zero in {numbers.zeros / there:.1%} of its rows: is zero 'unknown'?")
    if numbers.outliers and numbers.outliers.count >= max(1.0, OUTLYING * sum(numbers.distribution.counts)):
        low, high = numbers.outliers.low, numbers.outliers.high
        share = numbers.outliers.count / sum(numbers.distribution.counts)
        yield _said(column, "OUTLIERS", f"has {share:.1%} of its values outside {low:.4g} to {high:.4g}.")


def _of_strings(column: Column) -> Iterator[Finding]:
    if column.lengths is not None and (unsaid := column.lengths.empty + column.lengths.blank):
        yield _said(column, "EMPTY_STRINGS", f"has {unsaid:,} empty or blank strings, which do not count as missing.")
    if column.kind == "text" and (pair := _same_but_for_spelling(column)):
        yield _said(column, "SPELLINGS", f"spells one level in several ways: '{pair[0]}' and '{pair[1]}'.")


def _same_but_for_spelling(column: Column) -> tuple[str, str] | None:
    """Two of the commonest levels that differ in case or outer spaces alone."""
    seen: dict[str, str] = {}
    for level in column.top:
        bare = level.value.strip().casefold()
        if bare in seen:
            return seen[bare], level.value
        seen[bare] = level.value
    return None


def _of_pairs(associations: Sequence[Association]) -> Iterator[Finding]:
    for each in associations:
        if abs(each.strength) >= ALIKE:
            alike = f"Columns '{each.first}' and '{each.second}' say nearly the same ({each.strength:+.2f})."
            yield Finding("ALIKE", alike)


def _said(column: Column, code: str, rest: str) -> Finding:
    return Finding(code, f"Column '{column.name[:80]}' {rest}", column.name)


def _first(column: Column) -> str:
    return f", {_quoted(column)}" if column.top else ""


def _quoted(column: Column) -> str:
    return f"'{column.top[0].value}'"
