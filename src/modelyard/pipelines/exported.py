"""What an exported document says, in words and without running any of its code."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from modelyard.core import did_you_mean

from .description import Clash, Description, Stage, Wire
from .fits import Type, builtin_named, never_fits, type_of
from .graph import Operator, Options
from .jsonfile import Notes, shown
from .plain import kind_of, rollback_of

FORMAT = "modelyard.pipeline/1"
"""The format of exported pipelines, and its version."""

_KEYS = ("format", "name", "summary", "parameters", "steps", "outside", "rollback")
_STEP_KEYS = ("name", "kind", "function", "inputs", "options", "when", "after", "types", "seeded")
_OPTIONS = tuple(Options.__dataclass_fields__)


def describe_exported(document: Mapping[str, Any]) -> Description:
    """What an exported document says; what is wrong with it stands in `flaws`."""
    notes = Notes()
    notes.keys(None, "The file", document, _KEYS)
    if document.get("format") != FORMAT:
        notes.invalid(None, "'format'", document.get("format"), f"{FORMAT!r}, the only one that is known")
    name = notes.text(None, "the file", document, "name") or ""
    steps = document.get("steps")
    if not isinstance(steps, list):
        notes.invalid(None, "'steps'", steps, "a list of steps")
        steps = []
    told = [each for at, given in enumerate(steps, 1) for each in _checked(given, at, notes)]
    for twice, times in Counter(each["name"] for each in told).items():
        if times > 1:
            notes.note("DUPLICATE_NAME", twice, f"{times} steps are called '{twice}'.", "Give each its own name.")
    outside = notes.texts(None, "the file", document, "outside")
    _check_known(told, outside, notes)
    used = {each for step in told for each in _outputs([step["inputs"], step.get("when", [])])}
    types = {each["name"]: each.get("types", {}) for each in told}
    stages = tuple(_stage(each, types, used) for each in told)
    return Description(name, stages, rollback_of(document, notes), outside=outside, flaws=tuple(notes.flaws))


def _checked(given: Any, place: int, notes: Notes) -> Iterator[dict[str, Any]]:
    """The step, when it can be read at all."""
    where = f"step {place}"
    if not isinstance(given, dict):
        notes.invalid(None, where.capitalize(), given, "an object")
        return
    name = notes.text(None, where, given, "name")
    if name is None:
        return
    where, before = f"step '{name}'", len(notes.flaws)
    notes.keys(name, f"Step '{name}'", given, _STEP_KEYS)
    kind_of(given, "kind", name, notes)
    function = notes.text(name, where, given, "function")
    if function is not None and not function.partition(":")[2]:
        notes.invalid(name, f"'function' of {where}", function, "'file.py:function'")
    for key, kind, expected in _SORTS:
        if not isinstance(given.get(key, kind()), kind):
            notes.invalid(name, f"'{key}' of {where}", given[key], expected)
    if len(notes.flaws) == before:
        _check_inside(given, name, notes)
    if len(notes.flaws) == before:
        yield {"inputs": {}, **given}


_SORTS: tuple[tuple[str, type, str], ...] = (
    ("inputs", dict, "an object of inputs by name"),
    ("options", dict, "an object of options by name"),
    ("when", list, "a list of conditions"),
    ("after", list, "a list of steps"),
    ("types", dict, "an object of types by name"),
    ("seeded", bool, "true or false"),
)


def _check_inside(given: Mapping[str, Any], name: str, notes: Notes) -> None:
    where = f"step '{name}'"
    notes.keys(name, f"'options' of {where}", given.get("options", {}), _OPTIONS)
    notes.texts(name, where, given, "after")
    for each in given.get("when", []):
        if not isinstance(each, dict) or "$output" not in (each.get("output") or {}):
            notes.invalid(
                name, f"A condition of {where}", each, '{"output": {"$output": "step"}, "operator": "passes"}'
            )
        elif each.get("operator") not in get_args(Operator):
            notes.invalid(
                name, f"The operator of {where}", each.get("operator"), "one of " + " ".join(get_args(Operator))
            )
    for each in _tagged([given.get("inputs", {}), given.get("when", [])]):
        if (fault := _fault(each)) is not None:
            notes.invalid(name, f"A value of {where}", each, fault)


def _fault(tagged: Mapping[str, Any]) -> str | None:
    """What an object with a `$` key should be, when it is not."""
    (tag, *others) = [key for key in tagged if key.startswith("$")]
    if others or (tag != "$output" and len(tagged) > 1):
        return "an object with one key that begins with $"
    if tag not in _TAGS:
        return f"an object whose key is one of {' '.join(_TAGS)}"
    path = tagged.get("path", [])
    right = isinstance(tagged[tag], _TAGS[tag][0]) and isinstance(path, list) and set(tagged) <= {tag, "path"}
    return None if right else f"{{{tag!r}: {_TAGS[tag][1]}}}"


_TAGS: dict[str, tuple[Any, str]] = {
    "$output": (str, "the name of a step"),
    "$parameter": (str, "the name of a parameter"),
    "$each": (object, "a list or an output"),
    "$float": (str, "nan, inf or -inf"),
    "$datetime": (str, "an ISO 8601 time"),
    "$date": (str, "an ISO 8601 date"),
    "$seconds": (int | float, "a number"),
    "$tuple": (list, "a list"),
    "$items": (list, "a list of pairs"),
}


def _check_known(steps: list[dict[str, Any]], outside: tuple[str, ...], notes: Notes) -> None:
    known = [*(each["name"] for each in steps), *outside]
    for step in steps:
        asked = [*_outputs([step["inputs"], step.get("when", [])]), *step.get("after", [])]
        for name in dict.fromkeys(asked):
            if name not in known:
                message = f"'{step['name']}' takes the output of {shown(name)}, which is no step."
                notes.note("UNKNOWN_INPUT", step["name"], message, did_you_mean(name, known))


def _tagged(value: Any) -> Iterator[dict[str, Any]]:
    """The objects inside a value that have a key beginning with `$`."""
    if isinstance(value, list):
        for each in value:
            yield from _tagged(each)
    elif isinstance(value, dict):
        if any(key.startswith("$") for key in value):
            yield value
        for each in value.values():
            yield from _tagged(each)


def _outputs(value: Any) -> list[str]:
    return list(dict.fromkeys(each["$output"] for each in _tagged(value) if isinstance(each.get("$output"), str)))


def _stage(told: Mapping[str, Any], types: Mapping[str, Mapping[str, str]], used: set[str]) -> Stage:
    name, kind, inputs = told["name"], told["kind"], told["inputs"]
    gives = () if types[name].get("return") == "None" else ("output",)
    return Stage(
        name,
        kind,
        tuple(Wire(key, source) for key, value in inputs.items() for source in _outputs(value)),
        gives,
        unused=() if name in used else gives,
        waits=tuple(told.get("after", ())),
        conditions=tuple((each["output"]["$output"], _said(each)) for each in told.get("when", ())),
        threshold=_threshold(kind, inputs),
        seeded=told.get("seeded"),
        clashes=tuple(_clashes(told, types)),
    )


def _said(condition: Mapping[str, Any]) -> str:
    output = condition["output"]
    asked = output["$output"] + "".join(f"[{key!r}]" for key in output.get("path", ()))
    return asked if condition["operator"] == "passes" else f"{asked} {condition['operator']} {condition.get('value')!r}"


def _threshold(kind: str, inputs: Mapping[str, Any]) -> dict[str, float]:
    minimum = inputs.get("minimum")
    if kind != "gate" or not isinstance(minimum, dict):
        return {}
    return {key: float(value) for key, value in minimum.items() if isinstance(value, int | float)}


def _clashes(told: Mapping[str, Any], types: Mapping[str, Mapping[str, str]]) -> Iterator[Clash]:
    """Where built-in types are written on both sides; others cannot be judged without their code."""
    wanted = types[told["name"]]
    for name, value in told["inputs"].items():
        gets, wants = _written_type(value, types), wanted.get(name, "")
        if never_fits(gets, builtin_named(wants)):
            yield Clash(name, getattr(gets, "__name__", str(gets)), wants)


def _written_type(value: Any, types: Mapping[str, Mapping[str, str]]) -> Type:
    if not isinstance(value, dict):
        return type_of(value)
    if set(value) == {"$output"}:
        return builtin_named(str(types.get(value["$output"], {}).get("return", "")))
    return None if any(key.startswith("$") for key in value) else dict
