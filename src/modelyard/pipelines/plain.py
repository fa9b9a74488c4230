"""A plain `pipeline.json`, as people write it by hand, in words. No Python of theirs is needed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from modelyard.core import did_you_mean

from .description import Description, Stage, Wire
from .jsonfile import Notes, shown
from .options import KINDS

ROLLBACKS = ("previous-version",)
"""The ways to come back that a pipeline may plan."""

_KEYS = ("name", "description", "stages", "rollback")
_STAGE_KEYS = ("name", "type", "description", "inputs", "outputs", "threshold", "seed", "params")


def describe_plain(data: Mapping[str, Any]) -> Description:
    """What a plain file says; what is wrong with how it is written stands in `flaws`."""
    notes = Notes()
    notes.keys(None, "The file", data, _KEYS)
    name = notes.text(None, "the file", data, "name") or ""
    listed = data.get("stages", [])
    if "stages" not in data:
        notes.note("MISSING_KEY", None, "The file has no 'stages'.", 'Write "stages": [{"name": …, "type": "data"}].')
    if not isinstance(listed, list):
        notes.invalid(None, "'stages'", listed, "a list of stages")
        listed = []
    stages = _wired([each for at, given in enumerate(listed, 1) for each in _stage(given, at, notes)], notes)
    return Description(name, stages, rollback_of(data, notes), listed=True, flaws=tuple(notes.flaws))


def rollback_of(data: Mapping[str, Any], notes: Notes) -> str | None:
    """The strategy of the plan to come back; None without one."""
    plan = data.get("rollback")
    if plan is None:
        return None
    if not isinstance(plan, dict):
        notes.invalid(None, "'rollback'", plan, '{"strategy": "previous-version"}')
        return None
    notes.keys(None, "'rollback'", plan, ("strategy",))
    strategy = notes.text(None, "'rollback'", plan, "strategy")
    if strategy is not None and strategy not in ROLLBACKS:
        message = f"There is no rollback strategy {shown(strategy)}."
        notes.note("INVALID_VALUE", None, message, did_you_mean(strategy, ROLLBACKS))
        return None
    return strategy


def _stage(given: Any, place: int, notes: Notes) -> Iterator[Stage]:
    """The stage, when it has a name to speak of it by; its inputs are not connected yet."""
    where = f"stage {place}"
    if not isinstance(given, dict):
        notes.invalid(None, where.capitalize(), given, 'an object such as {"name": "load", "type": "data"}')
        return
    name = notes.text(None, where, given, "name")
    if name is None:
        return
    where = f"stage '{name}'"
    notes.keys(name, f"Stage '{name}'", given, _STAGE_KEYS)
    yield Stage(
        name,
        kind_of(given, "type", name, notes),
        tuple(Wire(each, None) for each in notes.texts(name, where, given, "inputs")),
        notes.texts(name, where, given, "outputs"),
        threshold=_threshold(given, name, notes),
        seeded=_seeded(given, name, notes),
    )


def kind_of(given: Mapping[str, Any], key: str, name: str, notes: Notes) -> str:
    """The kind of a stage, as far as it is one."""
    kind = notes.text(name, f"stage '{name}'", given, key)
    if kind is not None and kind not in KINDS:
        notes.note("UNKNOWN_TYPE", name, f"'{name}' has the unknown {key} {shown(kind)}.", did_you_mean(kind, KINDS))
    return kind or ""


def _threshold(given: Mapping[str, Any], name: str, notes: Notes) -> dict[str, float]:
    asked = given.get("threshold", {})
    if not isinstance(asked, dict) or ("threshold" in given and not asked):
        notes.invalid(name, f"'threshold' of stage '{name}'", asked, '{"accuracy": 0.85}')
        return {}
    numbers = {key: value for key, value in asked.items() if _number(value)}
    for key, value in asked.items():
        if key not in numbers:
            notes.invalid(name, f"The threshold {shown(key)} of stage '{name}'", value, "a number")
    return {key: float(value) for key, value in numbers.items()}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and isfinite(value)


def _seeded(given: Mapping[str, Any], name: str, notes: Notes) -> bool:
    seed = given.get("seed")
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    if seed is not None and not whole:
        notes.invalid(name, f"'seed' of stage '{name}'", seed, "a whole number")
    return whole


def _wired(stages: list[Stage], notes: Notes) -> tuple[Stage, ...]:
    """The stages, each input connected with the output of that name, or with the stage of that name."""
    for name, times in Counter(each.name for each in stages).items():
        if times > 1:
            notes.note("DUPLICATE_NAME", name, f"{times} stages are called '{name}'.", "Give each a name of its own.")
    givers: dict[str, str] = {each.name: each.name for each in stages}
    for output, times in Counter(each for stage in stages for each in stage.gives).items():
        owners = [stage.name for stage in stages if output in stage.gives]
        givers[output] = owners[0]
        if times > 1:
            message = f"The output '{output}' is given {times} times: by {', '.join(owners[:5])}."
            notes.note("DUPLICATE_OUTPUT", owners[1 % len(owners)], message, "Give each output a name of its own.")
    taken = {wire.name for stage in stages for wire in stage.wires}
    return tuple(_connected(each, givers, taken, notes) for each in stages)


def _connected(stage: Stage, givers: Mapping[str, str], taken: set[str], notes: Notes) -> Stage:
    for wire in stage.wires:
        if wire.name not in givers and stage.kind != "data":  # what a data stage reads comes from outside
            message = f"'{stage.name}' takes '{wire.name}', which no stage gives."
            notes.note("UNKNOWN_INPUT", stage.name, message, did_you_mean(wire.name, givers))
    wires = tuple(Wire(each.name, givers.get(each.name)) for each in stage.wires)
    unused = () if stage.name in taken else tuple(each for each in stage.gives if each not in taken)
    return replace(stage, wires=wires, unused=unused)
