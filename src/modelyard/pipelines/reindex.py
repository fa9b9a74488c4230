"""The pipeline whose candidate is an application on a new index: what retraining is where answers rest on documents."""

from collections.abc import Mapping
from typing import Any

from modelyard.core import Judgement, Verdict

from .authoring import Pipeline, step
from .context import context

REINDEX = "modelyard.reindex"
"""What this pipeline is called in every project."""


@step(kind="train", name="index", cache=False)
def _index(model: str) -> dict[str, Any]:
    return context().services.reindexing.index(model)


@step(kind="validate", name="documents")
def _documents(candidate: Mapping[str, Any]) -> Judgement:
    """An index of the same documents is the same index: there is nothing to bring out, and nobody is asked."""
    verdict = Verdict.PASS if candidate["documents"] else Verdict.INCONCLUSIVE
    return Judgement(verdict, (f"documents: {candidate['told']}",), {"documents": candidate["documents"]})


@step(kind="evaluate", name="evaluate", cache=False)
def _evaluate(model: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
    return context().services.reindexing.evaluate(model, candidate)


@step(kind="gate", name="gate")
def _gate(evaluation: Mapping[str, Any]) -> Judgement:
    """What the policy's limits say of the candidate's answers."""
    return Judgement(Verdict(evaluation["verdict"]), tuple(evaluation["reasons"].splitlines()))


@step(kind="register", name="register", cache=False)
def _register(model: str, candidate: Mapping[str, Any], evaluation: Mapping[str, Any], judged: Judgement) -> int:
    return context().services.reindexing.register(model, candidate, evaluation, [judged])


def _reindex(model: str) -> None:
    """Index the documents anew, ask the suite of candidate and live version, and register what the gate lets pass."""
    candidate = _index(model)
    _documents(candidate)
    evaluation = _evaluate(model, candidate)
    judged = _gate(evaluation)
    _register(model, candidate, evaluation, judged)


reindex = Pipeline(REINDEX, _reindex)
"""The pipeline itself; what its steps do is `Services.reindexing`."""
