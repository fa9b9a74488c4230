"""The steps that bring a live application onto a new index of its documents, and let a suite judge of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from modelyard.core import Conflict, Digest, InvalidInput, Judgement, Verdict, log_event
from modelyard.generation import GUARDS_FILE, PROMPT_FILE, Application, Pinned, Retrieval
from modelyard.inference import load_embedder, sign_bundle
from modelyard.llm import adopt, application_bundle, changes_of, digests_at, read_prompt, update_index, version_folder
from modelyard.llm.answers import (
    ERRORS,
    JUDGE,
    AnswerSuite,
    Asked,
    Limit,
    Scored,
    Scorer,
    better_by,
    judge_differences,
    judge_limits,
    means,
    measures,
    metric_named,
    read_answer_suite,
    require_limits,
    require_scorers,
    score,
)
from modelyard.pipelines import in_run
from modelyard.registry import ModelVersion, Registry
from modelyard.retraining import JudgeSettings, NoPolicy, ReindexSettings, RetrainingSettings

from .featured import FeaturedProject
from .judging import QUEUE, Judging, judging_by, scorers_at
from .live_application import LiveApplication, application_at, indexed, live_application, places_of, withdrawn_of
from .privately import Manner, bundle_served_privately, served_privately


class ProjectReindexing:
    """See `pipelines.Reindexing`. The candidate has the prompt, guards, upstreams and sampling of the live version."""

    def __init__(self, project: FeaturedProject) -> None:
        self._project = project

    @property
    def _models(self) -> Registry:
        return self._project.models

    def index(self, model: str) -> dict[str, Any]:
        """See `Reindexing`. What is no longer there, or is withdrawn, is not in it; the older versions of it stay."""
        policy, settings = self._policy(model)
        live = live_application(self._models, self._project.rollouts, policy.deployment)
        before, name = indexed(self._models, live.retrieval.index), live.retrieval.index.name
        version = self._models.registered_by(name, act := _act("index"))
        if version is None:
            version = self._updated(live.retrieval, places_of(self._project.file, settings), act)
        made = live.retrieval.index if version is None else _pinned(version)
        changes = changes_of(before, indexed(self._models, made))
        return {
            "of": live.version.number,
            "index": made.name,
            "version": made.version,
            "digest": made.digest,
            "documents": changes.count,
            "told": str(changes),
        }

    def _updated(self, retrieval: Retrieval, places: Sequence[Path], act: str) -> ModelVersion | None:
        """The index as a version, the newest one where that has the very bytes; None where the live one has them."""
        models, pinned = self._models, retrieval.index
        found, withdrawn = digests_at(places).keys(), withdrawn_of(self._project.records, pinned.name)
        if not found - withdrawn:
            raise InvalidInput(
                f"There is no document at {', '.join(map(str, places))}, and answers cannot rest on none.",
                code="NO_DOCUMENTS",
                remedy="Put them there, or correct retraining.NAME.reindex.documents.",
            )
        with self._scratch() as scratch:
            home, old = scratch / "index", models.get(pinned.name, pinned.version)
            adopt(home, pinned.digest, lambda into: models.fetch_bundle(old, into))
            of_embedder = models.get(retrieval.embedder.name, retrieval.embedder.version)
            embedder = load_embedder(models.fetch_bundle(of_embedder, scratch / "embedder"))
            hidden = withdrawn & (found | indexed(models, pinned).keys())
            change = update_index(home, places, embedder, remove=hidden, progress=_told)
            if change.digest == pinned.digest:
                return None
            newest = models.listed(pinned.name, limit=1)[0]
            if newest.bundle == change.digest:
                return newest
            told = f"{change.embedded} of {change.chunks} chunks were embedded"
            gates = [Judgement(Verdict.PASS, (told,))]
            return self._registered(pinned.name, version_folder(home), change.digest, act, gates=gates)

    def evaluate(self, model: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
        """See `Reindexing`. Both are asked as clients ask, of the real server; no route or log is touched."""
        _, settings = self._policy(model)
        suite, digest = read_answer_suite(self._project.file.folder / settings.suite)
        scorers = scorers_at(self._project.file.folder, settings.scorers)
        require_scorers(suite, scorers)
        judging = None if settings.judge is None else self._judging(settings, settings.judge)
        limits = _limits(settings, suite, scorers)
        asked = self._asked(model, candidate, suite, settings)
        answers = [each for side in asked for each in side.answers]
        judged = None if judging is None else judging(suite.cases, answers, _told)
        verdicts, untrusted = (None, "") if judged is None else (judged.verdicts, judged.calibration.untrusted)
        ours, theirs = (score(suite, digest, each, scorers, verdicts) for each in asked)
        found = [judge_limits(ours, limits, untrusted), judge_differences(ours, theirs, settings.better_by, untrusted)]
        judgement = Judgement.all_of(found)
        told = {"verdict": str(judgement.verdict), "reasons": "\n".join(judgement.reasons), "suite": digest}
        return {**_metrics(ours, theirs), **told, "cases": len(suite.cases)}

    def _asked(
        self, model: str, candidate: Mapping[str, Any], suite: AnswerSuite, settings: ReindexSettings
    ) -> tuple[Asked, Asked]:
        """The answers of the candidate, and of the version it was made of."""
        manner = Manner(settings.repeat, settings.at_once, settings.deadline.total_seconds())
        live = application_at(self._models, model, str(candidate["of"]))
        with self._candidate(live, candidate) as (folder, _, application):
            parts = [self._models.get(each.name, each.version) for each in application.parts]
            with bundle_served_privately(self._project, folder, model, "candidate", parts, suite.askers) as private:
                ours = private.ask(suite, "the candidate", manner, _told)
        with served_privately(self._project, live.version, suite.askers) as private:
            theirs = private.ask(suite, f"version {live.version.number}", manner, _told)
        return ours, theirs

    def _judging(self, settings: ReindexSettings, judge: JudgeSettings) -> Judging:
        labels = judge.labels
        if labels is not None and not labels.startswith(QUEUE):
            labels = str(self._project.file.folder / labels)
        deadline = settings.deadline.total_seconds()
        return judging_by(self._project, judge.prompt, judge.target, labels, deadline, settings.at_once)

    def register(
        self, model: str, candidate: Mapping[str, Any], evaluation: Mapping[str, Any], gates: Sequence[Judgement]
    ) -> int:
        """See `Reindexing`."""
        act = _act("register")
        if (before := self._models.registered_by(model, act)) is not None:
            return before.number
        policy, _ = self._policy(model)
        live = live_application(self._models, self._project.rollouts, policy.deployment)
        if live.version.number != candidate["of"]:
            raise Conflict(
                f"Version {live.version.number} of '{model}' went live while version {candidate['of']} was brought "
                "onto a new index.",
                code="ANOTHER_IS_LIVE",
                remedy="Begin again, from what is live now: modelyard retrain run.",
            )
        with self._candidate(live, candidate) as (folder, digest, application):
            metrics = {name: float(each) for name, each in evaluation.items() if isinstance(each, int | float)}
            params = {"application": msgspec.to_builtins(application)}
            version = self._registered(model, folder, digest, act, gates=gates, metrics=metrics, params=params)
        log_event("wiring", "registered", model=model, version=version.number, bundle=digest)
        return version.number

    @contextmanager
    def _candidate(
        self, live: LiveApplication, candidate: Mapping[str, Any]
    ) -> Iterator[tuple[Path, Digest, Application]]:
        """The live version's bundle with the candidate's index in it, signed; equal whenever it is made."""
        version, models = live.version, self._models
        index = Pinned(candidate["index"], candidate["version"], candidate["digest"])
        retrieval = msgspec.structs.replace(live.retrieval, index=index)
        application = msgspec.structs.replace(live.application, retrieval=retrieval)
        document, guards = models.bundle_file(version, PROMPT_FILE), models.bundle_file(version, GUARDS_FILE)
        prompt = None if document is None else read_prompt(document)
        with self._scratch() as scratch:
            digest = application_bundle(scratch / "bundle", version.name, application, prompt, guards)
            self._sign(scratch / "bundle", digest)
            yield scratch / "bundle", digest, application

    def _registered(self, name: str, folder: Path, digest: Digest, act: str, **facts: Any) -> ModelVersion:
        self._sign(folder, digest)
        return self._models.register(
            name, principal=self._project.principal, bundle=folder, digest=digest, once=act, **facts
        )

    def _sign(self, folder: Path, digest: Digest) -> None:
        if (key := self._project.keys.own()) is not None:
            sign_bundle(folder, digest, key)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        self._project.workspace.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._project.workspace, prefix="reindex-") as folder:
            yield Path(folder)

    def _policy(self, model: str) -> tuple[RetrainingSettings, ReindexSettings]:
        policy = self._project.settings.retraining.get(model)
        if policy is None or policy.reindex is None:
            raise NoPolicy(
                f"'{model}' has no policy that says which documents its answers rest on.",
                remedy="Declare retraining.NAME.reindex in modelyard.yaml.",
            )
        return policy, policy.reindex


def _limits(settings: ReindexSettings, suite: AnswerSuite, scorers: Mapping[str, Scorer]) -> list[Limit]:
    """The policy's limits; InvalidInput before anybody is asked for one on what the suite does not measure."""
    limits = [Limit(metric, value) for metric, value in settings.least.items()]
    limits += [Limit(metric, value, least=False) for metric, value in settings.most.items()]
    known = [*measures(suite), ERRORS, *scorers, *([] if settings.judge is None else [JUDGE])]
    require_limits(known, measures(suite), limits)
    for each in settings.better_by:
        metric_named(each, known)
    return limits


def _metrics(ours: Scored, theirs: Scored) -> dict[str, float]:
    """Means of both, and by how much the candidate's are surely better."""
    found = {name: each.value for name, each in means(ours).items()}
    found |= {f"live_{name}": each.value for name, each in means(theirs).items()}
    for name, each in better_by(ours, theirs).items():
        found[f"{name}_better_by"] = each.value
        ends = {"lower": each.lower, "upper": each.upper}
        found |= {f"{name}_better_by_{end}": value for end, value in ends.items() if value is not None}
    return found


def _act(step: str) -> str:
    """What is the same when a step is run again after a crash."""
    run = in_run()
    if run is None:
        raise InvalidInput(
            "A step of re-indexing was called outside a run.", remedy="Begin a cycle: modelyard retrain run"
        )
    return f"{run.run_id}/{step}"


def _pinned(version: ModelVersion) -> Pinned:
    assert version.bundle is not None  # noqa: S101 - it was registered with one
    return Pinned(version.name, version.number, version.bundle)


def _told(line: str) -> None:
    log_event("wiring", line)
