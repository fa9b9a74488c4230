"""What relates two columns, or a column and a number: `arrival >= departure`."""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Literal, cast, get_args

Operator = Literal["<", "<=", ">", ">=", "==", "!="]
"""How a relation compares."""

_COLUMN = r"`(?:[^`]+)`|[^\W\d]\w*"
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_WHOLE = re.compile(rf"\s*({_COLUMN})\s*(<=|>=|==|!=|<|>)\s*(?:({_COLUMN})|({_NUMBER}))\s*")


@dataclass(frozen=True)
class Expression:
    """A relation taken apart; `right` is the name of a column or a number."""

    left: str
    operator: Operator
    right: str | int | float

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs, each once."""
        both = (self.left, self.right) if isinstance(self.right, str) else (self.left,)
        return tuple(dict.fromkeys(both))


def parse_relation(written: str) -> Expression:
    """A comparison of a column with a column or a number; ValueError when it is anything else.

    A name that is more than letters, digits and `_` stands in backquotes.
    """
    found = _WHOLE.fullmatch(written)
    if found is None:
        operators = " ".join(get_args(Operator))
        raise ValueError(
            f"{written[:60]!r} is no relation; write COLUMN OPERATOR COLUMN or NUMBER, with one of {operators} between "
            "them, and names with spaces in `backquotes`"
        )
    left, operator, right, number = found.groups()
    return Expression(_bare(left), cast("Operator", operator), _bare(right) if right is not None else _number(number))


def write_column(name: str) -> str:
    """A column's name as a relation spells it; ValueError for one with a backquote."""
    if "`" in name:
        raise ValueError(f"{name[:60]!r} has a backquote, which no relation can name")
    return name if re.fullmatch(_COLUMN, name) else f"`{name}`"


def _bare(name: str) -> str:
    return name[1:-1] if name.startswith("`") else name


def _number(written: str) -> int | float:
    try:
        return int(written)
    except ValueError:
        number = float(written)
    if not isfinite(number):
        raise ValueError(f"{written[:60]} is too large to compare with")
    return number
