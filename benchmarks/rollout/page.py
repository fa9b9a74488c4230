"""A page of the documentation whose tables are those of the last full run."""

import re
from collections.abc import Mapping, Sequence

_TABLE = re.compile(r"(<!-- table: (?P<name>[a-z ]+) -->\n\n)(?:\|.*\n)*")


def tables_of(text: str) -> list[str]:
    """The names of the tables that a page asks for, in its order."""
    return [each["name"] for each in _TABLE.finditer(text)]


def filled(text: str, tables: Mapping[str, Sequence[str]]) -> str:
    """The page with the rows of each table that it asks for. ValueError when it lacks one that there is."""
    if missing := sorted(tables.keys() - set(tables_of(text))):
        raise ValueError(f"the page has no place for {missing}: <!-- table: {missing[0]} -->")
    return _TABLE.sub(lambda found: found[1] + "".join(f"{row}\n" for row in tables[found["name"]]), text)
