"""What a workspace has record of, for the governance report: counted where it was done, not where it is configured."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from modelyard.governance import Evidence, InProduction, folder_evidence
from modelyard.inference import SIGNATURES_FILE
from modelyard.pipelines import PipelineRun, find_run, list_runs
from modelyard.registry import ModelVersion, moves_of
from modelyard.rollout import RolloutEvent
from modelyard.storage import Tally
from modelyard.wiring import Project

_LOOKED_AT = 200
"""So many of the newest runs of pipelines are looked at step by step."""


def in_production(project: Project) -> list[InProduction]:
    """Every version that holds the alias production, and the care that is taken of it."""
    return [_care(project, each) for each in project.models.holding("production")]


def collect(project: Project, live: Sequence[InProduction]) -> list[Evidence]:
    """All evidence of a workspace; `live` as `in_production` gives it. Only reads, and asks nothing of MLflow."""
    versions, runs = project.models.holding("production"), list_runs(project.records)
    events = {name: project.rollouts.history(name) for name in project.settings.deployments}
    return [
        *_data(project, runs),
        *_pipelines(project, runs),
        *_versions(project, versions),
        *_production(project, versions, live),
        *_promotions(project, events),
        *_deployments(project, events),
        *_monitoring(project),
        *_retraining(project),
        *_features(project),
        *_audit(project),
        *folder_evidence(project.file.folder),
    ]


def _care(project: Project, version: ModelVersion) -> InProduction:
    section = project.settings.models.get(version.name)
    following = project.rollouts.following(version.name, "production")
    windows = [window for each in following if (window := project.monitors.latest(each)) is not None]
    with project.records.snapshot() as view:
        reviewers = project.approvals.reviewed_by(view, version, "production")
    return InProduction(
        model=version.name,
        version=version.number,
        label=version.label,
        trained_at=version.created_at,
        reviewed_by=reviewers,
        owner=section.owner if section is not None else "",
        intended_use=section.intended_use if section is not None else "",
        deployments=tuple(following),
        watched_by=tuple(sorted({each.deployment for each in windows})),
        windowed_at=_last(each.end for each in windows),
    )


def _data(project: Project, runs: Sequence[PipelineRun]) -> Iterator[Evidence]:
    reading = [each for each in runs if each.datasets]
    yield _observed("data.known", "runs that noted which data they read", _begun(reading))
    kept = project.datasets.versions()
    yield _observed("data.known", "dataset versions that were kept", [each.created_at for each in kept])
    newest = (find_run(project.records, each.id) for each in runs[:_LOOKED_AT])
    checked = [each for each in newest if each is not None and _was_checked(each)]
    yield _observed("data.checked", "runs that checked their data", _begun(checked))
    declared = [each for each in project.settings.datasets.values() if each.checks or each.schema_file]
    yield Evidence("data.checked", "declared", "datasets with checks in the project file", len(declared))


def _was_checked(run: PipelineRun) -> bool:
    return any(each.kind == "validate" and each.state == "done" for each in run.steps)


def _pipelines(project: Project, runs: Sequence[PipelineRun]) -> Iterator[Evidence]:
    passed = [each for each in runs if each.state == "done" and each.verdict == "pass"]
    yield _observed("pipelines.passed", "runs that passed", _begun(passed))
    yield Evidence("pipelines.passed", "declared", "pipelines in the project file", len(project.settings.pipelines))
    by_name = [_begun(each for each in passed if each.pipeline == name) for name in {each.pipeline for each in passed}]
    yield _observed("pipelines.repeated", "times that one pipeline passed", max(by_name, key=len, default=[]))


def _versions(project: Project, live: Sequence[ModelVersion]) -> Iterator[Evidence]:
    found = project.models.counted()  # by the store: there may be any number of them
    yield _tallied("tracking.runs", "versions that came from a tracked run", found.tracked, found.known.count)
    yield _tallied("registry.versions", "versions that could be served", found.servable, found.known.count)
    behind = [each for each in live if each.run]
    yield _observed("tracking.production", "versions in production with a tracked run", _made(behind), len(live))
    gated = [each for each in live if each.gate_passed]
    yield _observed("registry.gated", "versions in production that passed their gates", _made(gated), len(live))


def _production(project: Project, versions: Sequence[ModelVersion], live: Sequence[InProduction]) -> Iterator[Evidence]:
    approved, total = [each for each in live if each.reviewed_by], len(live)
    who = "versions in production that somebody else approved"
    yield Evidence("registry.approved", "observed", who, len(approved), total)
    rules = [each for each in project.settings.security.approvals.values() if each.required]
    yield Evidence("registry.approved", "declared", "rules of approval in the project file", len(rules))
    owned, meant = [each for each in live if each.owner], [each for each in live if each.intended_use]
    yield Evidence("ownership.owners", "declared", "models in production with an owner", len(owned), total)
    yield Evidence("ownership.uses", "declared", "models in production that say what they are for", len(meant), total)
    signed = [each for each in versions if _is_signed(project, each)]
    yield Evidence("audit.bundles", "observed", "bundles in production that are signed", len(signed), total)


def _is_signed(project: Project, version: ModelVersion) -> bool:
    if project.models.bundle_artifact(version) != version.artifact:
        return True
    return project.models.bundle_file(version, SIGNATURES_FILE) is not None


def _promotions(project: Project, events: Mapping[str, Sequence[RolloutEvent]]) -> Iterator[Evidence]:
    names = project.models.names()
    served = {each.model_name for each in project.settings.deployments.values()}
    with project.records.snapshot() as view:
        moves = [(name, move) for name in names for move in moves_of(view, name)]
    moved = [(name, each) for name, each in moves if each.alias == "production" and each.to is not None]
    promoted = [each.at for _, each in moved if each.kind == "move"]
    yield _observed("deployment.promotions", "promotions to production", promoted)
    back = [each.at for name, each in moved if each.kind == "rollback" and name not in served]
    taken = [each.at for of_one in events.values() for each in of_one if each.kind == "rolled_back"]
    yield _observed("deployment.rollbacks", "rollbacks", [*back, *taken])


def _deployments(project: Project, events: Mapping[str, Sequence[RolloutEvent]]) -> Iterator[Evidence]:
    declared = project.settings.deployments
    routed = [each for each in declared if project.rollouts.route(each) is not None]
    yield Evidence("deployment.routes", "observed", "deployments that serve a version", len(routed), len(declared))
    ended = [each for of_one in events.values() for each in of_one]
    judged = [each.at for each in ended if each.kind in ("promoted", "rolled_back") and each.evidence]
    yield _observed("deployment.canaries", "canaries that were judged by their answers", judged)
    gradual = [each for each in declared.values() if each.strategy == "canary"]
    yield Evidence("deployment.canaries", "declared", "deployments with canaries in the project file", len(gradual))


def _monitoring(project: Project) -> Iterator[Evidence]:
    files = [each for folder in (project.journal_folder, project.workspace / "log") for each in folder.rglob("*")
             if each.is_file() and each.stat().st_size]  # fmt: skip
    written = [datetime.fromtimestamp(each.stat().st_mtime, UTC).isoformat() for each in files]
    yield _observed("monitoring.log", "files of predictions on record", written)
    serving = [each for each in project.settings.deployments if project.rollouts.route(each) is not None]
    windows = [window for each in serving for window in project.monitors.windows(each)]
    since = (project.clock.now() - project.settings.governance.recent).isoformat()
    recent = {each.deployment for each in windows if each.end >= since}
    last = _last(each.end for each in windows)
    what = "deployments with a recently judged window"
    yield Evidence("monitoring.windows", "observed", what, len(recent), len(serving), last)
    monitors = len(project.settings.monitoring)
    yield Evidence("monitoring.windows", "declared", "monitors in the project file", monitors)
    truthful = [each.end for each in windows if each.performance]
    yield _observed("monitoring.truth", "windows that were judged by the truth", truthful)


def _retraining(project: Project) -> Iterator[Evidence]:
    policies = project.settings.retraining
    events = [event for each in policies for event in project.retraining.history(each)]
    begun = [each.at for each in events if each.kind == "triggered"]
    yield _observed("retraining.cycles", "cycles of retraining", begun)
    yield Evidence("retraining.cycles", "declared", "retraining policies in the project file", len(policies))
    alone = [state.last_automatic_at for state in map(project.retraining.state, policies) if state.last_automatic_at]
    yield _observed("retraining.automatic", "models whose newest automatic cycle is on record", alone)


def _features(project: Project) -> Iterator[Evidence]:
    if project.settings.features is None:
        return
    fresh = project.features.materializer.freshness()
    yield Evidence("features.views", "declared", "feature views", len(fresh))
    until = [each.isoformat() for each in fresh.values() if each is not None]
    yield _observed("features.materialized", "feature views that were materialized", until, len(fresh))


def _audit(project: Project) -> Iterator[Evidence]:
    report = project.checkpoints.verify(recent=True)  # the whole of a long record is what `audit verify` reads
    whole = report.entries if report.intact else 0
    with project.records.snapshot() as view:
        newest = view.entries("audit", limit=1, descending=True)
    last = str(newest[0].body.get("at", "")) if newest else ""
    read = "" if report.since == 1 else f", read from entry {report.since}, which a checkpoint vouches for,"
    yield Evidence("audit.entries", "observed", f"entries of an audit record that{read} is whole", whole, last=last)
    signed = report.signed if report.intact else 0
    yield Evidence("audit.signed", "observed", "entries that a signed checkpoint vouches for", signed, report.entries)


def _observed(fact: str, what: str, times: Sequence[str], of: int | None = None) -> Evidence:
    """As many as there are times, the newest of them the last."""
    return Evidence(fact, "observed", what, len(times), of, _last(times))


def _tallied(fact: str, what: str, found: Tally, of: int) -> Evidence:
    return Evidence(fact, "observed", what, found.count, of, found.last)


def _begun(runs: Iterable[PipelineRun]) -> list[str]:
    return [each.started_at for each in runs]


def _made(versions: Iterable[ModelVersion]) -> list[str]:
    return [each.created_at for each in versions]


def _last(times: Iterable[str]) -> str:
    return max(times, default="")
