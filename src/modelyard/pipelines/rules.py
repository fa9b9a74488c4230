"""What makes a pipeline fit to train and ship a model: each rule reads the description and says what it finds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from .description import Description, Stage

Severity = Literal["error", "warning"]
Found = tuple[str | None, str, str]
"""The step it is about, what was found, what to do."""

_RANK: Mapping[str, int] = {"data": 0, "transform": 1, "train": 2, "evaluate": 3, "gate": 4, "register": 5, "deploy": 6}
_ORDER = "data → validate → transform → train → evaluate → gate → register → deploy"
_OUTGOING = ("register", "deploy")
_DEFAULT_ACCURACY = 0.85
_GATE_REMEDY = (
    f'Put a gate behind the evaluation: my.gate(metrics, {{"accuracy": {_DEFAULT_ACCURACY}}}) in Python, '
    f'"threshold": {{"accuracy": {_DEFAULT_ACCURACY}}} in a file.'
)
_ABOUT_MODELS = ("train", "evaluate", "gate", *_OUTGOING)


@dataclass(frozen=True)
class Finding:
    """One thing that a rule found. `step` is None when it is about the whole pipeline."""

    code: str
    severity: Severity
    step: str | None
    message: str
    remedy: str


@dataclass(frozen=True)
class Rule:
    """One rule: its code, how bad it is, what it looks for, and the function that looks."""

    code: str
    severity: Severity
    summary: str
    find: Callable[[Description], Iterator[Found]]


def check_pipeline(description: Description, *, strict: bool = False) -> tuple[Finding, ...]:
    """What the rules find, in their order; with `strict` every warning is an error."""
    return tuple(
        Finding(rule.code, "error" if strict else rule.severity, *found)
        for rule in RULES
        for found in rule.find(description)
    )


def _flaws(code: str) -> Callable[[Description], Iterator[Found]]:
    """A rule over what reading the file found."""

    def find(description: Description) -> Iterator[Found]:
        return ((each.step, each.message, each.remedy) for each in description.flaws if each.code == code)

    return find


def _missing_stage(description: Description) -> Iterator[Found]:
    if not description.stages:
        yield None, "The pipeline has no stages.", f"Write them in this order: {_ORDER}."
        return
    if not description.of(*_ABOUT_MODELS) or description.outside:
        return
    for kind, purpose in (("data", "reads the rows"), ("train", "trains"), ("evaluate", "measures the model")):
        if not description.of(kind):
            yield None, f"There is no {kind} stage: nothing {purpose}.", f"Add one; the order is {_ORDER}."


def _thin(description: Description) -> Iterator[Found]:
    if not description.stages or description.outside:
        return
    if not description.of(*_ABOUT_MODELS):
        yield None, "The pipeline trains nothing.", "Add train and evaluate stages, unless it only prepares data."
        return
    if not description.of("validate"):
        yield None, "There is no validate stage: bad rows are learned from.", "Add one before training."
    if not description.of(*_OUTGOING):
        yield None, "There is no register or deploy stage: what is trained stays here.", "Add one at the end."


def _stage_order(description: Description) -> Iterator[Found]:
    return iter(dict.fromkeys([*_taken_backwards(description), *_listed_backwards(description), *_late(description)]))


def _taken_backwards(description: Description) -> Iterator[Found]:
    cyclic = {name for way in _cycles(description) for name in way}
    place = {each.name: index for index, each in enumerate(description.stages)}
    for stage in description.stages:
        for name in stage.sources:
            if name in cyclic or name not in place:
                continue
            source = description.stages[place[name]]
            if stage.kind != "transform" and _RANK.get(source.kind, -1) > _RANK.get(stage.kind, 9):
                yield _turned(stage, source)
            elif place[name] > place[stage.name]:
                message = f"'{stage.name}' takes from '{name}', which stands after it."
                yield stage.name, message, f"Move '{name}' before '{stage.name}'."


def _turned(stage: Stage, source: Stage) -> Found:
    message = f"'{stage.name}' ({stage.kind}) takes from '{source.name}' ({source.kind}), which belongs after it."
    return stage.name, message, f"The order is {_ORDER}."


def _listed_backwards(description: Description) -> Iterator[Found]:
    """The first stage of each kind stands before the first of each later kind; a second training may follow a first."""
    if not description.listed:
        return
    first = {kind: index for index, kind in reversed(list(enumerate(each.kind for each in description.stages)))}
    for one, other in combinations(_RANK, 2):
        if first.get(one, -1) > first.get(other, len(description.stages)):
            early, late = description.stages[first[other]], description.stages[first[one]]
            message = f"'{early.name}' ({other}) stands before '{late.name}' ({one})."
            yield early.name, message, f"Move '{early.name}' behind '{late.name}': the order is {_ORDER}."


def _late(description: Description) -> Iterator[Found]:
    """Rows are validated before a model has learned from them."""
    checks, trains = description.of("validate"), description.of("train")
    if checks and trains and not any(each.kind == "validate" for each in description.before(trains[0])):
        message = f"'{trains[0].name}' (train) does not wait for '{checks[0].name}' (validate)."
        yield checks[0].name, message, "Validate the rows before the first training."


def _no_gate(description: Description) -> Iterator[Found]:
    for stage in description.of(*_OUTGOING):
        if not any(_holds_back(each) for each in description.before(stage)) and not _conditional(stage, description):
            yield (
                stage.name,
                f"Nothing keeps a bad model from '{stage.name}' ({stage.kind}): no evaluation gate stands before it.",
                _GATE_REMEDY,
            )


def _holds_back(stage: Stage) -> bool:
    return stage.kind == "gate" or (stage.kind == "evaluate" and bool(stage.threshold))


def _conditional(stage: Stage, description: Description) -> bool:
    """Whether it runs only on a condition about an evaluation."""
    evaluations = {each.name for each in description.of("evaluate")}
    return any(source in evaluations for source, _ in stage.conditions)


def _no_rollback(description: Description) -> Iterator[Found]:
    outgoing = description.of(*_OUTGOING)
    if outgoing and description.rollback is None:
        yield (
            outgoing[-1].name,
            f"'{outgoing[-1].name}' ({outgoing[-1].kind}) puts a model out, and no plan says how to come back.",
            'Declare one, in the file or under the pipeline in modelyard.yaml: {"strategy": "previous-version"}.',
        )


def _cycle(description: Description) -> Iterator[Found]:
    for way in _cycles(description):
        message = f"These need each other in a circle: {' → '.join((*way, way[0]))}."
        yield way[0], message, "Take one of the inputs away."


def _cycles(description: Description) -> Iterator[tuple[str, ...]]:
    """Circles among the stages, each once, beginning with the first listed; walked without recursion."""
    sources = {each.name: [*each.sources, *each.waits] for each in description.stages}
    done: set[str] = set()
    for start, taken in sources.items():
        ahead = [(start, iter(taken))] if start not in done else []
        way = [name for name, _ in ahead]
        while ahead:
            name, rest = ahead[-1]
            following = next((each for each in rest if each in sources and each not in done), None)
            if following is None:
                done.add(name)
                ahead.pop()
                way.pop()
            elif following in way:
                yield _from_first(tuple(reversed(way[way.index(following) :])), list(sources))
            else:
                ahead.append((following, iter(sources[following])))
                way.append(following)


def _from_first(way: tuple[str, ...], order: list[str]) -> tuple[str, ...]:
    at = way.index(min(way, key=order.index))
    return (*way[at:], *way[:at])


def _type_mismatch(description: Description) -> Iterator[Found]:
    for stage in description.stages:
        for each in stage.clashes:
            message = f"'{stage.name}' takes {each.wants} as '{each.input}', and gets {each.gets}."
            yield stage.name, message, "Connect what fits, or correct the annotations."


def _unreachable(description: Description) -> Iterator[Found]:
    if description.outside or not any(each.wires for each in description.stages):
        return
    for stage in description.stages:
        reached = {each.kind for each in _upstream(description, stage)}
        if stage.kind != "data" and "data" not in reached:
            message = f"No data leads to '{stage.name}' ({stage.kind})."
            yield stage.name, message, "Give it the output of a stage that data reaches, or take it out."


def _upstream(description: Description, stage: Stage) -> list[Stage]:
    by_name = {each.name: each for each in description.stages}
    found: dict[str, Stage] = {}
    ahead = list(stage.sources)
    while ahead:
        name = ahead.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            ahead.extend(by_name[name].sources)
    return list(found.values())


def _unused(description: Description) -> Iterator[Found]:
    for stage in description.stages:
        if stage.kind in ("validate", "gate", *_OUTGOING) and not description.listed:
            continue  # what these do is their use
        if stage.kind in _OUTGOING or (stage.kind == "evaluate" and stage.threshold):
            continue
        for name in stage.unused:
            what = "What" if name == "output" and not description.listed else f"The output '{name}' that"
            yield stage.name, f"{what} '{stage.name}' gives is never used.", "Use it in a later stage, or take it out."


def _unseeded(description: Description) -> Iterator[Found]:
    for stage in description.of("train"):
        if stage.seeded is False:
            yield (
                stage.name,
                f"'{stage.name}' trains without a seed of its own, so that another run may give another model.",
                'Write @my.step(kind="train", seed=7), use my.context().seed, or say "seed": 7 in a file.',
            )


RULES: tuple[Rule, ...] = (
    Rule("MISSING_KEY", "error", "A stage, or the file, lacks a key that it must have.", _flaws("MISSING_KEY")),
    Rule("UNKNOWN_KEY", "error", "A key that means nothing here.", _flaws("UNKNOWN_KEY")),
    Rule("UNKNOWN_TYPE", "error", "A type that no stage has.", _flaws("UNKNOWN_TYPE")),
    Rule("INVALID_VALUE", "error", "A value of the wrong sort.", _flaws("INVALID_VALUE")),
    Rule("DUPLICATE_NAME", "error", "Two stages have one name.", _flaws("DUPLICATE_NAME")),
    Rule("DUPLICATE_OUTPUT", "error", "Two stages give an output of one name.", _flaws("DUPLICATE_OUTPUT")),
    Rule("UNKNOWN_INPUT", "error", "An input that no stage gives.", _flaws("UNKNOWN_INPUT")),
    Rule("CYCLE", "error", "Stages need each other in a circle.", _cycle),
    Rule("MISSING_STAGE", "error", "A pipeline of a model lacks data, train or evaluate stages.", _missing_stage),
    Rule("MISSING_STAGE", "warning", "Nothing validates the rows, trains, or takes the model out.", _thin),
    Rule("STAGE_ORDER", "error", f"Stages stand in another order than {_ORDER}.", _stage_order),
    Rule("NO_EVALUATION_GATE", "error", "A model is registered or deployed however bad it is.", _no_gate),
    Rule("NO_ROLLBACK", "warning", "A model goes out, and nothing says how to come back.", _no_rollback),
    Rule("TYPE_MISMATCH", "error", "An input gets what it can never be.", _type_mismatch),
    Rule("UNREACHABLE_STAGE", "warning", "No data leads to a stage.", _unreachable),
    Rule("UNUSED_OUTPUT", "warning", "An output that nobody takes.", _unused),
    Rule("UNSEEDED_TRAINING", "warning", "Training whose randomness does not repeat.", _unseeded),
)
"""Every rule, in the order in which they are asked."""
