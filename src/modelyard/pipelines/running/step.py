"""One step as a process of its own: what an orchestrator runs, with artifacts as JSON in and out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.core import InvalidInput

from ..artifacts import Artifact, save
from ..document import read_value
from ..errors import InvalidPipeline
from .order import Order, Taken
from .place import Place
from .secrets import Masked
from .task import perform


def run_step(
    place: Place,
    reference: str,
    *,
    inputs: Mapping[str, Any],
    params: Mapping[str, Any],
    run_id: str,
    name: str = "",
    seed: int | None = None,
    secrets: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Carry out the step at `file.py:function` or `module:function` in this process.

    `inputs` are artifacts by parameter, as an earlier call printed them, also inside lists and objects, or
    `{"artifact": …, "path": [key, …]}` for an element; `params` are JSON values, and what JSON lacks is
    written as exported pipelines have it: `{"$datetime": "2026-01-31T12:00:00+00:00"}`. The answer has the output as
    such an artifact, what of it is JSON, and the verdict of a judgement.
    """
    taken = {key: _taken(value) for key, value in inputs.items()}
    if twice := sorted(taken.keys() & params.keys()):
        raise InvalidPipeline(f"Both an input and a parameter: {', '.join(twice)}.", remedy="Give each once.")
    given = {key: Taken(save(read_value(value), place.artifacts, place.names)) for key, value in params.items()}
    order = Order(
        run_id=run_id,
        step=name or reference.rpartition(":")[2],
        function=reference,
        inputs={**given, **taken},
        seed=place.seed if seed is None else seed,
        context_seed=place.seed if seed is None else seed,
        folder=place.folder,
        scratch=place.scratch.folder,
        surroundings=place.surroundings,
        secrets=secrets,
        at=place.clock.now() if place.frozen else None,
    )
    report = perform(order)
    return {
        "output": msgspec.to_builtins(report.output),
        "result": Masked(secrets).json(report.result),
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "reads": dict(report.reads),
        "seconds": report.seconds,
    }


def _taken(value: Any) -> Any:
    if isinstance(value, list):
        return [_taken(each) for each in value]
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{value!r:.200} is no artifact.", remedy="Give what an earlier step printed as `output`.")
    if "artifact" in value:
        return Taken(_artifact(value["artifact"]), tuple(value.get("path", ())))
    return Taken(_artifact(value)) if "form" in value else {str(key): _taken(each) for key, each in value.items()}


def _artifact(value: Any) -> Artifact:
    try:
        return msgspec.convert(value, Artifact)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"This is no artifact: {error}.", remedy="Give what an earlier step printed as `output`."
        ) from error
