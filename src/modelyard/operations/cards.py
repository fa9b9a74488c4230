"""The model card of a version, filled from the records of every room."""

from collections.abc import Iterator
from typing import Any

import msgspec

from modelyard.access import Permission
from modelyard.bundling import BUILD_FILE, Attempt
from modelyard.data import Version
from modelyard.inference import PROFILE_FILE, BundleInfo, ReferenceProfile
from modelyard.pipelines import PipelineRun, code_of_run, find_run
from modelyard.registry import (
    Approval,
    BuildFacts,
    Card,
    DataFacts,
    Declaration,
    ModelVersion,
    Moved,
    Training,
    card_markdown,
    card_page,
)
from modelyard.tracking import Evaluation
from modelyard.wiring import Project

from .contract import Call, operation
from .lineage import bundle_info, dataset_version, lineage_of, reads_of, version_with
from .models import OneVersion, notice

_FINDINGS = 12


@operation("model", "card", Permission.READ)
def model_card(call: Call[OneVersion]) -> Any:
    """The card of a version: use and limits, data, metrics with intervals, groups, approvals, lineage, build."""
    notice(call.project, call.input.name)
    version = call.project.models.get(call.input.name, call.input.version)
    card = card_of(call.project, version)
    return {**msgspec.to_builtins(card), "markdown": card_markdown(card), "html": card_page(card)}


def card_of(project: Project, version: ModelVersion) -> Card:
    """What is on record of a version."""
    run = find_run(project.records, version.made_in.partition("/")[0]) if version.made_in else None
    info = bundle_info(project, version)
    declared = declaration_of(project, version.name)
    evaluation, data = _evaluation(project, version), tuple(_data(project, run, info))
    approvals = tuple(_approvals(project, version))
    held = project.models.aliases(version.name)
    return Card(
        model=version.name,
        number=version.number,
        label=version.label,
        created_at=version.created_at,
        created_by=version.created_by,
        written_at=project.clock.now().isoformat(),
        description=version.description,
        tags=version.tags,
        aliases=tuple(sorted(alias for alias, number in held.items() if number == version.number)),
        archived=version.archived,
        gate="pass" if version.gate_passed else "none" if not version.gates else "fail",
        gate_reasons=tuple(reason for each in (*version.gates, *version.checks) for reason in each["reasons"]),
        metrics=version.metrics,
        declared=declared,
        training=_training(project, version, run),
        data=data,
        lineage=lineage_of(project, version),
        evaluation=evaluation,
        judged="" if run is None else judged_of(run, version),
        profile=_profile(project, version),
        build=None if info is None else _build(project, version, info),
        approvals=approvals,
        moves=tuple(_moves(project, version)),
        unknown=dict(_unknown(version, declared, data, evaluation, info, approvals)),
    )


def declaration_of(project: Project, model: str) -> Declaration:
    """What the project file says of a model; nothing where it does not have it."""
    settings = project.settings.models.get(model)
    if settings is None:
        return Declaration()
    return Declaration(settings.owner, settings.intended_use, settings.limits, settings.slices, settings.groups)


def _evaluation(project: Project, version: ModelVersion) -> Evaluation | None:
    return None if version.evaluation is None else project.evaluations.read(version.evaluation)


def judged_of(run: PipelineRun, version: ModelVersion) -> str:
    """What is to be known where the pipeline trained again after it had judged."""
    trained = {step.name for step in run.steps if step.kind == "train"}
    register = run.step(version.made_in.partition("/")[2])
    judging = next((each for each in run.steps if each.kind == "evaluate" and each.result == version.metrics), None)
    if register is None or judging is None:
        return ""
    seen, kept = (trained & set(each.takes) for each in (judging, register))
    if not seen or not kept or seen == kept:
        return ""
    first, last = ", ".join(sorted(seen)), ", ".join(sorted(kept))
    return f"What was judged is the model of step '{first}'; the version is that of '{last}', trained after it."


def _data(project: Project, run: PipelineRun | None, info: BundleInfo | None) -> Iterator[DataFacts]:
    """The datasets that the version's run read; without a run, those behind its bundle's profile."""
    if run is None:
        for name, content in info.datasets.items() if info is not None else ():
            yield _facts(project, name, content, version_with(project, name, content), {})
        return
    for name, digest in reads_of(run).items():
        state = run.datasets.get(name)
        version = dataset_version(project, None if state is None else state.version)
        yield _facts(project, name, digest, version, dict(state.columns) if state is not None else {})


def _facts(project: Project, name: str, digest: str, version: Version | None, columns: dict[str, str]) -> DataFacts:
    if version is None:
        return DataFacts(name, digest, columns=columns)
    profile = project.datasets.profile(version)
    cells = profile.rows * len(profile.columns)
    return DataFacts(
        name,
        version.digest,
        version.label,
        {each.name: each.type for each in version.columns},
        rows=version.rows,
        missing=sum(each.missing for each in profile.columns) / cells if cells else 0.0,
        repeated=profile.duplicates.value,
        findings=tuple(each.sentence for each in profile.findings[:_FINDINGS]),
        created_at=version.created_at,
        note=version.note,
    )


def _training(project: Project, version: ModelVersion, run: PipelineRun | None) -> Training:
    code = None if run is None else code_of_run(project.records, run)
    return Training(
        params=version.params,
        pipeline="" if run is None else run.pipeline,
        run="" if run is None else run.id,
        tracked_run=version.run or "",
        seconds=None if run is None else sum(each.seconds for each in run.steps),
        commit="" if code is None else code.commit,
        uncommitted=code is not None and code.dirty,
    )


def _profile(project: Project, version: ModelVersion) -> ReferenceProfile | None:
    document = project.models.bundle_file(version, PROFILE_FILE)
    return None if document is None else msgspec.json.decode(document, type=ReferenceProfile)


def _build(project: Project, version: ModelVersion, info: BundleInfo) -> BuildFacts:
    document = project.models.bundle_file(version, BUILD_FILE)
    return BuildFacts(
        digest=str(version.bundle),
        runtime=info.runtime,
        task=info.task,
        classes=info.classes,
        fields=info.signature.fields,
        tolerance=info.tolerance,
        bytes=project.models.bundle_size(version),
        attempts=() if document is None else msgspec.json.decode(document, type=tuple[Attempt, ...]),
    )


def _approvals(project: Project, version: ModelVersion) -> Iterator[Approval]:
    with project.records.snapshot() as view:
        for alias in project.promotions.deciding(version.name):
            counted = project.approvals.counted(view, version, alias)
            if counted.required:
                yield Approval(alias, counted.required, counted.approved_by, counted.missing, counted.void)


def _moves(project: Project, version: ModelVersion) -> Iterator[Moved]:
    for move in project.models.history(version.name):
        if version.number in (move.before, move.to):
            yield Moved(move.at, move.alias, move.to == version.number, move.by, move.reason)


def _unknown(
    version: ModelVersion,
    declared: Declaration,
    data: tuple[DataFacts, ...],
    evaluation: Evaluation | None,
    info: BundleInfo | None,
    approvals: tuple[Approval, ...],
) -> Iterator[tuple[str, str]]:
    """What is not on record, by part, with what would put it there."""
    section = f"models.{version.name}"
    for part in ("owner", "intended_use", "limits"):
        if not getattr(declared, part):
            yield part, f"not recorded: declare {section}.{part} in modelyard.yaml"
    if not declared.groups:
        yield "groups", f"not measured: declare {section}.groups in modelyard.yaml, and train again"
    if not declared.slices:
        yield "slices", f"not measured: declare {section}.slices in modelyard.yaml, and train again"
    if evaluation is None:
        why = "the version was registered with other metrics than an evaluation of the project found"
        how = "services.evaluate in the pipeline's step, or run.evaluate in the run that --run names"
        yield "evaluation", f"not recorded: {why}; judge it with {how}"
    if not data:
        yield "data", "not recorded: no pipeline run of the project registered this version"
    if info is None:
        yield "bundle", "none: this version is metadata only; register it with --run, --path or --bundle"
    if not approvals:
        yield "approvals", "none are asked for: declare security.approvals in modelyard.yaml"
