"""Why a step was, or was not, taken from the cache."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from modelyard.core import did_you_mean
from modelyard.storage import RecordStore, Snapshot

from ..errors import RunNotFound
from .records import CACHE, KIND, STEP, PipelineRun, StepRecord, list_runs, read_elements

_MOST = 20


class Why(msgspec.Struct, frozen=True):
    """An explanation. `differences`: what changed since `compared_with`, the earlier run that came nearest."""

    run: str
    step: str
    cached: bool
    explanation: str
    compared_with: str = ""
    differences: tuple[str, ...] = ()


def explain(records: RecordStore, named: str, step: str) -> Why:
    """Why a step came from the cache or not, in a run or in the newest run of a pipeline."""
    newest = list_runs(records, pipeline=named, limit=1)
    with records.snapshot() as view:
        document = view.get(KIND, newest[0].id if newest else named)
        if document is None:
            raise RunNotFound(
                f"There is no run '{named}', and no pipeline of this name ran.", remedy="See: modelyard pipeline list."
            )
        run = msgspec.convert(document.body, PipelineRun)
        index, record = _step(view, run, step)
        return _of_call(view, run, _least_cached(view, run, index, record))


def _step(view: Snapshot, run: PipelineRun, step: str) -> tuple[int, StepRecord]:
    found = {
        each.body["name"]: (int(each.key.rpartition("/")[2]), msgspec.convert(each.body, StepRecord))
        for each in view.scan(STEP, prefix=f"{run.id}/")
    }
    if step not in found:
        raise RunNotFound(f"Run {run.id} has no step '{step}' yet.", remedy=did_you_mean(step, found))
    return found[step]


def _least_cached(view: Snapshot, run: PipelineRun, index: int, record: StepRecord) -> StepRecord:
    """The step itself, or of a mapped one the first element that ran, if any did."""
    elements = list(read_elements(view, run.id, index).values())
    return next((each for each in elements if not each.cached), elements[0] if elements else record)


def _of_call(view: Snapshot, run: PipelineRun, record: StepRecord) -> Why:  # noqa: PLR0911 - one a reason
    def why(explanation: str, other: str = "", changed: tuple[str, ...] = ()) -> Why:
        return Why(run.id, record.name, record.cached, explanation, other, changed)

    if record.state == "skipped":
        return why("It was skipped: its condition did not hold, or what it needs was skipped.")
    if record.cached:
        return why(f"Taken from the cache: nothing changed since run {_origin(view, record)}.")
    if record.uncached:
        return why(f"Not cached: {record.uncached}.")
    if not run.cache:
        return why("The run was told not to use the cache.")
    nearest = _nearest(view, run, record)
    if nearest is None:
        return why("No other run has a result of this step.")
    other, changed = nearest
    if not changed:
        return why(f"All is as in run {other}, but its result was not in the artifact store.", other)
    more = f"; and {len(changed) - _MOST} more" if len(changed) > _MOST else ""
    return why(f"Since run {other}: {'; '.join(changed[:_MOST])}{more}.", other, changed[:_MOST])


def _origin(view: Snapshot, record: StepRecord) -> str:
    document = view.get(CACHE, record.key)
    return str(document.body["run"]) if document is not None else "it was made"


def _nearest(view: Snapshot, run: PipelineRun, record: StepRecord) -> tuple[str, tuple[str, ...]] | None:
    """The result of another run from which least differs, the newest of these, and what differs."""
    entries = [each.body for each in view.find(CACHE, "step", f"{run.pipeline}/{record.name}")]
    others = [each for each in entries if each["run"] != run.id]
    compared = [(tuple(_differences(each["components"], record.components)), each) for each in others]
    if not compared:
        return None
    fewest = min(len(changed) for changed, _ in compared)
    changed, entry = max((each for each in compared if len(each[0]) == fewest), key=lambda each: str(each[1]["at"]))
    return str(entry["run"]), changed


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What of the components of two keys differs, each as a clause."""
    words = {"code": "the code of", "inputs": "input", "reads": "dataset", "environment": "the version of"}
    for part, word in words.items():
        old, new = before.get(part, {}), after.get(part, {})
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                yield _difference(f"{word} {name}", *_told(part, name, before, after))
    for part, word in (("seed", "the seed"), ("kind", "the kind"), ("format", "Modelyard's engine"),
                       ("deterministic", "deterministic mode")):  # fmt: skip
        if before.get(part) != after.get(part):
            yield f"{word} changed"


def _told(part: str, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Old and new, and whether they mean something to a person: versions do, and values that are short."""
    if part == "inputs":
        old, new = before["inputs"].get(name), after["inputs"].get(name)
        shown = before.get("shown", {}).get(name), after.get("shown", {}).get(name)
        told = None not in (old, new, *shown)
        return (*shown, True) if told else (old, new, False)
    return before.get(part, {}).get(name), after.get(part, {}).get(name), part == "environment"


def _difference(what: str, old: Any, new: Any, tell: bool) -> str:  # noqa: FBT001 - unpacked from `_told`
    if old is None:
        return f"{what} is new"
    if new is None:
        return f"{what} is gone"
    return f"{what} changed from {old} to {new}" if tell else f"{what} changed"
