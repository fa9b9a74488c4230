"""Functions of on-demand views that are more than expressions: each in a file that runs by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelyard.online import CallMode

from .errors import LeftOut
from .records import FeastOnDemand
from .writing import written

_OUTPUTS: Mapping[str, str] = {
    "INT32": "int64", "INT64": "int64", "FLOAT": "float64", "DOUBLE": "float64", "BOOL": "bool", "STRING": "string",
    "UNIX_TIMESTAMP": "timestamp[us]",
}  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """A function that was carried over: its file's text, its name there, how it is called, and what it gives."""

    text: str
    function: str
    mode: CallMode
    outputs: Mapping[str, str]


def carried_function(view: FeastOnDemand, called: Mapping[str, str]) -> Carried:
    """The function of an on-demand view. `called` leads from names by which it may read a value to those used here.

    LeftOut says why it cannot be carried over.
    """
    if not view.code:
        raise LeftOut(view.lacking or "nobody kept the text of its function")
    if view.mode not in ("python", "pandas"):
        raise LeftOut(f"its function is of mode '{view.mode[:40]}', and runs here as python or pandas")
    for each in view.features:
        if each.type not in _OUTPUTS:
            raise LeftOut(f"'{each.name}' is {each.type.lower()}: functions here give numbers, texts, flags and times")
    mode: CallMode = "pandas" if view.mode == "pandas" else "row" if view.singleton else "columns"
    outputs = {each.name: _OUTPUTS[each.type] for each in view.features}
    renamed = {name: ours for name, ours in called.items() if name != ours and repr(name) in repr_quotes(view.code)}
    head = f'"""The function of the on-demand view {view.name}, imported from a Feast repository."""\n\n'
    text = head + view.code.strip() + "\n"
    if not renamed:
        return Carried(text, view.function, mode, outputs)
    name = f"{view.function}_of_feast_names"
    return Carried(text + _wrapper(name, view.function, mode, renamed), name, mode, outputs)


def repr_quotes(code: str) -> str:
    """Code whose texts are in the quotes that `repr` gives them."""
    return code.replace('"', "'")


def _wrapper(name: str, function: str, mode: CallMode, renamed: Mapping[str, str]) -> str:
    """A function that gives another the names by which it reads its values."""
    pairs: Sequence[str] = [f"{written(theirs)}: inputs[{written(ours)}]" for theirs, ours in renamed.items()]
    listed = ", ".join(pairs)
    given = f"inputs.assign(**{{{listed}}})" if mode == "pandas" else f"{{**inputs, {listed}}}"
    return f"\n\ndef {name}(inputs):\n    return {function}({given})\n"
