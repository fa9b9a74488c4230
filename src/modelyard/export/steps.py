"""Steps for orchestrators: each is one call of `modelyard step run`, with artifacts of earlier steps as JSON."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from .errors import UnsupportedSetting, unsupported
from .records import Subject
from .settings import PodSettings

JUDGING = ("validate", "gate")
"""Kinds of steps whose verdict holds back what waits for them."""

_INSTANT = "datetime.datetime"


class Placeholders(Protocol):
    """How an orchestrator spells, inside JSON, what is known only when a step runs."""

    def output(self, step: str) -> str:
        """The artifact that a step gave, as JSON."""
        ...

    def parameter(self, name: str, kind: str) -> str:
        """A parameter of the run, as JSON; `kind` is its annotation."""
        ...


@dataclass(frozen=True)
class Task:
    """A step as an orchestrator sees it.

    `inputs` and `params` are JSON with placeholders; `needs`: steps whose artifacts it takes; `waits`: steps that must
    have passed; `asks`: pipeline parameters it takes. `judges`: whether its verdict counts, for its kind or because
    a condition asks it. `cacheable` unless it registers, deploys or says otherwise.
    """

    name: str
    kind: str
    function: str
    inputs: str
    params: str
    needs: tuple[str, ...]
    waits: tuple[str, ...]
    asks: tuple[str, ...]
    retries: int
    backoff: float
    timeout: float | None
    resources: Mapping[str, float]
    seed: int | None
    secrets: tuple[str, ...]
    cacheable: bool
    judges: bool

    def arguments(self, run: str) -> list[str]:
        """The words behind `modelyard`; `run` is the placeholder of the run's id."""
        told = ["step", "run", self.function, "--name", self.name, "--run", run]
        told += ["--inputs", self.inputs, "--params", self.params]
        if self.seed is not None:
            told += ["--seed", str(self.seed)]
        return told + [word for each in self.secrets for word in ("--secret", each)]


def pipeline_of(subject: Subject) -> str:
    """The pipeline that is scheduled: `export.pipeline`, the only one, or `training`."""
    wanted, known = subject.settings.pipeline, list(subject.pipelines)
    if wanted is None:
        wanted = known[0] if len(known) == 1 else "training"
    if wanted not in known:
        raise UnsupportedSetting(
            f"export.pipeline is '{wanted}', and the project has: {', '.join(known) or 'no pipelines'}.",
            context={"setting": "export.pipeline"},
            remedy="Name one of them under export.pipeline.",
        )
    return wanted


def pod_of(target: str, task: Task, training: PodSettings) -> PodSettings:
    """What a step's pod asks for: what the step declares under `resources`, else `export.training`."""
    asked, told = task.resources, dict[str, Any]()
    if "cpus" in asked:
        told |= dict.fromkeys(("cpu", "cpu_limit"), f"{asked['cpus']:g}")
    if "memory" in asked:
        told |= dict.fromkeys(("memory", "memory_limit"), f"{ceil(asked['memory'] / (1 << 20))}Mi")
    if "gpus" in asked:
        if asked["gpus"] != int(asked["gpus"]):
            raise unsupported(
                target,
                f"resources.gpus of step '{task.name}'",
                asked["gpus"],
                "A pod has whole graphics cards.",
                "Ask for whole ones, or run on Ray, where parts can be shared.",
            )
        told["gpus"] = int(asked["gpus"])
    return training.model_copy(update=told)


def tasks_of(target: str, document: Mapping[str, Any], placeholders: Placeholders) -> list[Task]:
    """The steps of an exported pipeline, in order; UnsupportedSetting for what is known only to our own engine."""
    kinds = {name: str(each.get("type", "")) for name, each in document["parameters"].items()}
    asked = {each["output"]["$output"] for step in document["steps"] for each in step.get("when", ())}
    return [_task(target, each, placeholders, kinds, asked) for each in document["steps"]]


def _task(
    target: str, step: Mapping[str, Any], placeholders: Placeholders, kinds: Mapping[str, str], asked: Collection[str]
) -> Task:
    name, options = step["name"], step.get("options", {})
    _check(target, step)
    writer = _Writer(target, name, placeholders, kinds)
    taken = {key: value for key, value in step["inputs"].items() if any(_found(value, "$output"))}
    given = {key: value for key, value in step["inputs"].items() if key not in taken}
    conditions = [each["output"]["$output"] for each in step.get("when", ())]
    return Task(
        name=name,
        kind=step["kind"],
        function=step["function"],
        inputs=writer.object(taken, writer.artifact),
        params=writer.object(given, writer.value),
        needs=tuple(dict.fromkeys(each for value in taken.values() for each in _found(value, "$output"))),
        waits=tuple(dict.fromkeys([*step.get("after", ()), *conditions])),
        asks=tuple(dict.fromkeys(each for value in given.values() for each in _found(value, "$parameter"))),
        retries=int(options.get("retries", 0)),
        backoff=float(options.get("backoff", 1.0)),
        timeout=options.get("timeout"),
        resources=options.get("resources", {}),
        seed=options.get("seed"),
        secrets=tuple(options.get("secrets", ())),
        cacheable=options.get("cache") is not False and step["kind"] not in ("data", "register", "deploy"),
        judges=step["kind"] in JUDGING or name in asked,
    )


def _check(target: str, step: Mapping[str, Any]) -> None:
    where = f"step '{step['name']}'"
    if any(_found(step["inputs"], "$each")):
        raise unsupported(
            target,
            f"my.each of {where}",
            "one call for each element",
            "How many there are is known only when the pipeline runs.",
            "Run the pipeline on our engine, as one task there: modelyard pipeline run NAME --engine ray.",
        )
    for condition in step.get("when", ()):
        if condition.get("operator") != "passes" or condition["output"].get("path"):
            raise unsupported(
                target,
                f"my.when of {where}",
                json.dumps(condition),
                "Only verdicts can be asked there.",
                "Let a gate judge it, and write: with my.when(gate).",
            )


class _Writer:
    """Writes JSON in which placeholders stand unquoted."""

    def __init__(self, target: str, step: str, placeholders: Placeholders, kinds: Mapping[str, str]) -> None:
        self._target = target
        self._step = step
        self._placeholders = placeholders
        self._kinds = kinds
        self._kept: list[str] = []

    def object(self, values: Mapping[str, Any], write: Callable[[Any], Any]) -> str:
        text = json.dumps({key: write(value) for key, value in values.items()}, ensure_ascii=False)
        return re.sub(r'"⟨(\d+)⟩"', lambda found: self._kept[int(found[1])], text)

    def artifact(self, value: Any) -> Any:
        """An input: artifacts of steps, also inside lists and objects."""
        if isinstance(value, list):
            return [self.artifact(each) for each in value]
        if isinstance(value, Mapping) and "$output" in value:
            artifact = self._keep(self._placeholders.output(value["$output"]))
            return {"artifact": artifact, "path": value["path"]} if value.get("path") else artifact
        if isinstance(value, Mapping) and not any(key.startswith("$") for key in value):
            return {key: self.artifact(each) for key, each in value.items()}
        raise unsupported(
            self._target,
            f"an input of step '{self._step}'",
            json.dumps(value)[:100],
            "Beside the output of a step, in one list or object, no plain value can stand.",
            "Give it as an input of its own.",
        )

    def value(self, value: Any) -> Any:
        """A value: as exported, with parameters of the run in their places."""
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if not isinstance(value, Mapping):
            return value
        if "$parameter" not in value:
            return {key: self.value(each) for key, each in value.items()}
        name, kind = value["$parameter"], self._kinds.get(value["$parameter"], "")
        told = self._keep(self._placeholders.parameter(name, kind))
        return {"$datetime": told} if kind == _INSTANT else told

    def _keep(self, text: str) -> str:
        self._kept.append(text)
        return f"⟨{len(self._kept) - 1}⟩"


def _found(value: Any, key: str) -> Iterator[str]:
    """The names that stand behind a key such as `$output`, however deep."""
    if isinstance(value, Mapping):
        if key in value:
            yield str(value[key])
        for each in value.values():
            yield from _found(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _found(each, key)
