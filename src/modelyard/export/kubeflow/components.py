"""The same pipeline as lightweight Python components: a file of Kubeflow's SDK that compiles, and that runs here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..documents import fill
from ..naming import dns_name, image_of
from ..records import Subject
from ..settings import PodSettings
from ..steps import Task, pod_of, tasks_of

_PLAIN = ("int", "float", "bool", "str")
_MARK = "⟦{}⟧"
_INDENT = "    "


class _Marked:
    """Placeholders that a Python expression replaces once the JSON around them is read."""

    def __init__(self) -> None:
        self.expressions: dict[str, str] = {}

    def output(self, step: str) -> str:
        return self._kept(f"artifact({artifact_of(step)})")

    def parameter(self, name: str, kind: str) -> str:
        return self._kept(name if annotation(kind) != "JSON" else f"artifact({name})")

    def python(self, text: str) -> str:
        """JSON with marks as a Python expression."""
        return self._python(json.loads(text))

    def _kept(self, expression: str) -> str:
        mark = _MARK.format(len(self.expressions))
        self.expressions[mark] = expression
        return json.dumps(mark, ensure_ascii=False)

    def _python(self, value: Any) -> str:
        if isinstance(value, str):
            return self.expressions.get(value) or json.dumps(value, ensure_ascii=False)
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{json.dumps(key)}: {self._python(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self._python(each) for each in value) + "]"
        return repr(value)


@dataclass
class _Branch:
    """Steps that run once so many judgements passed, and what waits for more."""

    steps: list[Task] = field(default_factory=list)
    inside: dict[str, "_Branch"] = field(default_factory=dict)


def components(subject: Subject, name: str, exported: Mapping[str, Any], head: str) -> str:
    """The file; conditions are the SDK's own where judgements nest, and asked by each component in any case."""
    marked = _Marked()
    tasks = tasks_of("Kubeflow", exported, marked)
    kinds = {key: str(each.get("type", "")) for key, each in exported["parameters"].items()}
    tree = _tree(tasks)
    asked, training = _asked(tasks), subject.settings.training
    values = {
        "head": head,
        "project": subject.project,
        "pipeline": name,
        "name": dns_name(subject.project, name),
        "summary": exported.get("summary") or f"Pipeline {name} of {subject.project}.",
        "image": image_of(subject, "training"),
        "training": training,
        "parameters": [_parameter(key, kinds[key], each) for key, each in exported["parameters"].items()],
        "steps": [_step(each, kinds, asked[each.name], marked) for each in tasks],
        "calls": list(_calls(tree or _Branch(tasks), kinds, asked, training)),
        "nested": tree is not None,
    }
    return fill("kubeflow_components.py.j2", values)


def annotation(kind: str) -> str:
    """The type of a parameter there: what is more than a plain value travels as JSON, which also has null."""
    if kind in _PLAIN:
        return kind
    return "str" if kind in ("", "datetime.datetime") else "JSON"


def variable(step: str) -> str:
    """The Python name of a step."""
    return dns_name(step).replace("-", "_")


def artifact_of(step: str) -> str:
    """The argument through which a component gets what a step gave."""
    return f"{variable(step)}_artifact"


def verdict_of(step: str) -> str:
    """The argument through which a component is told whether a step passed."""
    return f"{variable(step)}_verdict"


def _tree(tasks: Sequence[Task]) -> _Branch | None:
    """The steps by the judgements they wait for; None where judgements cross, for conditions of the SDK only nest."""
    judging = {each.name for each in tasks if each.judges}
    chains: dict[str, tuple[str, ...]] = {}
    root = _Branch()
    for task in tasks:
        before = [chains[each] for each in (*task.needs, *task.waits)]
        chain = max(before, key=len, default=())
        if any(chain[: len(each)] != each for each in before):
            return None
        chains[task.name] = (*chain, *(each for each in task.waits if each in judging and each not in chain))
        branch = root
        for each in chains[task.name]:
            branch = branch.inside.setdefault(each, _Branch())
        branch.steps.append(task)
    return root


def _asked(tasks: Sequence[Task]) -> dict[str, tuple[str, ...]]:
    """The steps whose verdicts each component asks: judgements, and what may be skipped.

    One that passed says that what it asked itself passed as well, so that nobody asks for that again.
    """
    judging = {each.name for each in tasks if each.judges}
    found: dict[str, tuple[str, ...]] = {}
    implied: dict[str, set[str]] = {}
    for task in tasks:
        before = [each for each in dict.fromkeys((*task.waits, *task.needs)) if each in judging or found[each]]
        found[task.name] = tuple(one for one in before if not any(one in implied[other] for other in before))
        implied[task.name] = set(before).union(*(implied[each] for each in before))
    return found


def _parameter(name: str, kind: str, told: Mapping[str, Any]) -> str:
    """A parameter of the pipeline, as the function declares it."""
    kind = annotation(kind)
    made = f"{name}: {'str' if kind == 'JSON' else kind}"
    if "default" not in told:
        return made
    default = told["default"]
    return f"{made} = {json.dumps(json.dumps(default)) if kind == 'JSON' else _literal(default)}"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _arguments(task: Task, kinds: Mapping[str, str], asked: Sequence[str]) -> list[tuple[str, str, str]]:
    """Each argument of a component: its name, its type, and what the pipeline gives."""
    given = [("run", "str", "RUN")]
    given += [(artifact_of(each), "str", f'{variable(each)}_task.outputs["artifact"]') for each in task.needs]
    given += [(verdict_of(each), "str", f'{variable(each)}_task.outputs["verdict"]') for each in asked]
    types = {key: annotation(kinds.get(key, "")) for key in task.asks}
    return given + [(key, "str" if kind == "JSON" else kind, key) for key, kind in types.items()]


def _step(task: Task, kinds: Mapping[str, str], asked: Sequence[str], marked: _Marked) -> dict[str, Any]:
    seed = [] if task.seed is None else ["--seed", str(task.seed)]
    return {
        "variable": variable(task.name),
        "name": task.name,
        "function": task.function,
        "arguments": [f"{name}: {kind}" for name, kind, _ in _arguments(task, kinds, asked)],
        "inputs": marked.python(task.inputs),
        "params": marked.python(task.params),
        "asked": [verdict_of(each) for each in asked],
        "words": [*seed, *(word for each in task.secrets for word in ("--secret", each))],
        "timeout": task.timeout,
    }


def _calls(
    branch: _Branch,
    kinds: Mapping[str, str],
    asked: Mapping[str, Sequence[str]],
    training: PodSettings,
    depth: int = 1,
) -> Iterator[str]:
    """The lines of the pipeline's function: steps first, then what waits for one of them."""
    indent = _INDENT * depth
    for task in branch.steps:
        name = f"{variable(task.name)}_task"
        yield f"{indent}{name} = {variable(task.name)}("
        for argument, _, value in _arguments(task, kinds, asked[task.name]):
            yield f"{indent}{_INDENT}{argument}={value},"
        yield f"{indent})"
        yield f"{indent}placed({', '.join([name, *_placing(task, training)])})"
    for judge, inside in branch.inside.items():
        yield f'{indent}with passing({variable(judge)}_task.outputs["verdict"]):'
        yield from _calls(inside, kinds, asked, training, depth + 1)


def _placing(task: Task, training: PodSettings) -> list[str]:
    """What is said of a task beside its arguments."""
    told = {} if task.cacheable else {"cache": "False"}
    if task.retries:
        told |= {"retries": str(task.retries), "backoff": f'"{task.backoff:g}s"'}
    pod = pod_of("Kubeflow", task, training)
    if "cpus" in task.resources:
        told["cpus"] = f'("{pod.cpu}", "{pod.cpu_limit}")'
    if "memory" in task.resources:
        told["memory"] = f'("{pod.memory}", "{pod.memory_limit}")'
    if "gpus" in task.resources:
        told["gpus"] = str(pod.gpus)
    if task.secrets:
        told["secrets"] = repr(list(task.secrets))
    return [f"{key}={value}" for key, value in told.items()]
