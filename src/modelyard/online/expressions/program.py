"""Several formulas that run on the same rows, each able to use those before it."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from modelyard.core import Value

from .columns import Column, Kind, as_column, as_values
from .compile import compile_expression, names_in


def needed(formulas: Mapping[str, str], wanted: Collection[str]) -> dict[str, str]:
    """The formulas that some of them need: those `wanted`, and those before them that they use."""
    found = set(wanted)
    for name, text in reversed(list(formulas.items())):
        if name in found:
            found |= set(names_in(text)) & formulas.keys()
    return {name: text for name, text in formulas.items() if name in found}


class Program:
    """Formulas by the name of what they give, in order, over `inputs`. The same for one row and for a million."""

    def __init__(self, formulas: Mapping[str, str], inputs: Mapping[str, Kind]) -> None:
        """InvalidExpression when one of them is wrong."""
        known = dict(inputs)
        self._formulas = {}
        for name, text in formulas.items():
            self._formulas[name] = compile_expression(text, known)
            known[name] = self._formulas[name].kind
        self.kinds: Mapping[str, Kind] = {name: each.kind for name, each in self._formulas.items()}
        needed = dict.fromkeys(name for each in self._formulas.values() for name in each.inputs)
        self.inputs: Mapping[str, Kind] = {name: inputs[name] for name in needed if name in inputs}

    def run(self, columns: Mapping[str, Column], rows: int | None = None) -> dict[str, Column]:
        """What the formulas give, (n,) each, of columns of `inputs`, (n,) each.

        n is `rows`, or else as long as the columns are, or 1 where there are none. A row gives the same, bit for bit,
        alone and among others.
        """
        count = rows if rows is not None else len(next(iter(columns.values()))) if columns else 1
        known, found = dict(columns), {}
        with np.errstate(all="ignore"):
            for name, each in self._formulas.items():
                column = each.run(known)
                if len(column) != count:
                    column = np.broadcast_to(column, count)
                known[name] = found[name] = column
        return found

    def rows(self, rows: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
        """The same of rows of Python values: what each lacks is missing."""
        columns = {name: as_column([row.get(name) for row in rows], kind) for name, kind in self.inputs.items()}
        found = self.run(columns, len(rows))
        values = {name: as_values(column, self.kinds[name]) for name, column in found.items()}
        return [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]
