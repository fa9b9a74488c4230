"""What a project measures answers by of its own: scorers, which are functions, and a judge with people behind it."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import InvalidInput, NotFound, SystemClock, did_you_mean, shown
from modelyard.generation import Target, Upstream
from modelyard.llm import PromptReference
from modelyard.llm.answers import (
    Answer,
    AnswerCase,
    Calibration,
    HumanLabel,
    Judge,
    Judgment,
    Scorer,
    calibrate,
    judge_answers,
    read_labels,
)
from modelyard.pipelines import CodeChanged, ProjectNames

from .featured import FeaturedProject
from .prompts import find_prompt

QUEUE = "queue:"
"""Before the name of a queue of the project, where labels may come from a file."""


@dataclass(frozen=True)
class Judged:
    """What a judge said of answers, and how far that is to be trusted."""

    by: Judge
    judgments: Mapping[str, Judgment]
    calibration: Calibration

    @property
    def verdicts(self) -> dict[str, bool | str]:
        """By item: whether it passed, or the error."""
        return {item: each.error if each.passed is None else each.passed for item, each in self.judgments.items()}


@dataclass(frozen=True)
class Judging:
    """A judge, with the upstream that it is asked of, and what people said."""

    judge: Judge
    upstream: Upstream
    labels: Sequence[HumanLabel]

    def __call__(
        self, cases: Sequence[AnswerCase], answers: Sequence[Answer], progress: Callable[[str], None]
    ) -> Judged:
        """Ask it of every answer, and compare it with what people said of the same ones."""
        found = judge_answers(self.judge, cases, answers, self.upstream, SystemClock(), os.environ, progress)
        said = {item: each.passed for item, each in found.items() if each.passed is not None}
        return Judged(self.judge, found, calibrate(self.labels, said))


def judging_by(
    project: FeaturedProject, prompt: str, target: str, labels: str | None, deadline: float, at_once: int
) -> Judging:
    """The judge that is a prompt (`prompts:/NAME/3`) put to a model of an upstream, and what people said: in a file, or
    in `queue:NAME` of the project as it is now. `deadline` in seconds.
    """
    version, text = find_prompt(project.models, PromptReference.parse(prompt))
    asked = target_of(project.upstreams, target)
    assert version.bundle is not None  # noqa: S101 - prompts are found by their bundle
    reference = f"prompts:/{version.name}/{version.number}"
    judge = Judge(reference, version.bundle, text, asked, deadline, at_once)
    judge.require()
    upstream = msgspec.convert(project.upstreams[asked.upstream], Upstream)
    return Judging(judge, upstream, [] if labels is None else _labels(labels, project))


def target_of(upstreams: Mapping[str, Any], written: str) -> Target:
    """`UPSTREAM/MODEL`, where the upstream is declared; a model's own name may have further slashes."""
    upstream, slash, model = written.partition("/")
    if not slash or not model or len(model) > 200:
        raise InvalidInput(
            f"{shown(written)} names no model of an upstream.", code="NO_UPSTREAM", remedy="Write UPSTREAM/MODEL."
        )
    if upstream not in upstreams:
        raise NotFound(
            f"There is no upstream {shown(upstream)}.",
            code="NO_UPSTREAM",
            remedy=f"{did_you_mean(upstream[:128], upstreams)} "
            "Declare it in modelyard.yaml: upstreams: {NAME: {url: http://127.0.0.1:8000/v1}}",
        )
    return Target(upstream, model)


def scorers_at(folder: Path, written: Sequence[str]) -> dict[str, Scorer]:
    """Metrics of the project in a folder, by the names of their functions: `scorers.py:function` there, or
    `package.module:function`.
    """
    names, found = ProjectNames(folder.absolute()), dict[str, Scorer]()
    for each in written:
        place, colon, name = each.rpartition(":")
        function = None
        if colon and place and name.isidentifier():
            with suppress(CodeChanged):
                function = names.find(each)
        if not callable(function) or name in found:
            what = "names the same as another" if name in found else "leads to no function"
            raise InvalidInput(
                f"The scorer {shown(each)} {what}.",
                code="WRONG_SCORER",
                remedy="Write package.module:function, or scorers.py:function below the project.",
            )
        found[name] = function
    return found


def _labels(written: str, project: FeaturedProject) -> list[HumanLabel]:
    if not written.startswith(QUEUE):
        return read_labels(Path(written))
    said = project.queues.labels(written.removeprefix(QUEUE))
    return [HumanLabel(item, each.label, each.by) for item, each in said]
