"""The project file of an adopted model: every line of it valid, and said what it is for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from modelyard.core.settings import inline_yaml
from modelyard.inference import PYTHON, BundleInfo, Field

_SHOWN = 80


@dataclass(frozen=True)
class Facts:
    """What the project file is written from. `info`: of the bundle; `how`: columns were matched."""

    name: str
    dataset: str
    rows: int
    label: str
    info: BundleInfo
    digest: str
    model_from: str
    data_from: str
    how: str

    @property
    def schema(self) -> str:
        """The name of the schema file."""
        return f"{self.dataset}.schema.yaml"


def project_file(facts: Facts) -> str:
    """The text of `modelyard.yaml`."""
    parts = (_heading, _dataset, _model, _deployment, _monitoring, _security)
    return "\n".join(line for part in parts for line in part(facts)) + "\n"


def _heading(facts: Facts) -> Iterator[str]:
    yield f"# Written by `modelyard adopt` from {_comment(facts.model_from)} and {_comment(facts.data_from)}."
    yield "# It is yours: change it to what you know. What holds, and where it comes from: modelyard config show"
    yield f"project: {inline_yaml(facts.name)}"


def _dataset(facts: Facts) -> Iterator[str]:
    name = facts.dataset
    yield from ("", "datasets:", f"  {inline_yaml(name)}:")
    source = inline_yaml(f"version:{name}@1")
    yield f"    source: {source} # {facts.rows} rows, kept: modelyard data version show {name}"
    yield f"    label: {inline_yaml(facts.label)} # the truth"
    yield f"    schema: {inline_yaml(facts.schema)} # what is promised of each column: modelyard data validate {name}"
    yield "    # event_time: COLUMN # when a row is predicted, where features of views are to be joined by time"
    yield "    # known_at: COLUMN # when its truth becomes known"


def _model(facts: Facts) -> Iterator[str]:
    info = facts.info
    classes = f" # {_comment(', '.join(info.classes))}" if info.classes else ""
    yield from ("", "models:", f"  {inline_yaml(facts.name)}:")
    yield f"    task: {info.task}{classes}"
    yield f"    label: {inline_yaml(facts.label)}"
    yield "    request: # what a client sends"
    yield from (f"      {inline_yaml(each.name)}: {_kind(each)}" for each in info.signature.fields)
    yield f"    features: # what the model reads, in its order: {_comment(facts.how.partition(':')[0])}"
    yield from (f"      - {inline_yaml(each)}" for each in info.signature.names)
    yield from _gate(info.metrics)


def _kind(field: Field) -> str:
    return f"{{kind: {field.kind}, required: false}}" if field.nullable else field.kind


def _gate(metrics: Mapping[str, float]) -> Iterator[str]:
    metric = next((each for each in ("auc", "accuracy", "r2") if each in metrics), None)
    if metric is None:
        return
    here = metrics[metric]
    yield f"    # gate: {{min_{metric}: {here - 0.05:.2f}}} # what later versions must reach; on these rows: {here:.3f}"


def _deployment(facts: Facts) -> Iterator[str]:
    name = facts.name
    yield from ("", "deployments:", f"  {inline_yaml(name)}:")
    promote = f"modelyard model promote --name {name} --version 1 --stage production"
    yield f"    model: {inline_yaml(f'{name}@production')} # live after: {promote}"
    yield "    # strategy: canary # a later version proves itself on a growing share of the requests"


def _monitoring(facts: Facts) -> Iterator[str]:
    yield from ("", "monitoring: # requests against the reference profile that the bundle keeps of these rows")
    yield f"  {inline_yaml(facts.name)}:"
    yield "    window: 7d"
    if facts.info.task == "binary":
        metric = "auc" if "auc" in facts.info.metrics else "accuracy"
        yield f"    metric: {metric} # of answers whose truth was sent back, against the same on these rows"
        return
    yield f"    # drift is watched; the performance of a {facts.info.task} model is not judged by window yet"


def _security(facts: Facts) -> Iterator[str]:
    if facts.info.runtime != PYTHON:
        return
    yield from ("", "security:")
    yield "  python_bundles: # pickles and code that may run, in processes of their own, by the bundle's digest"
    yield f"    - {inline_yaml(facts.digest)}"


def _comment(text: str) -> str:
    """A text for a comment: on one line, and short."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"
