"""Registering versions by hand, and judging them by their metrics."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission, authorize
from modelyard.core import Digest, InvalidInput, Judgement, NotFound, Verdict, is_name, shown
from modelyard.registry import (
    DEFAULT_LIMITS,
    ModelVersion,
    VersionState,
    check_description,
    check_tags,
    judge_limits,
    judged,
)
from modelyard.tracking import Run
from modelyard.wiring import Project

from .bundles import BuildBundle, build_from_files, check_bundle, show_bundle
from .contract import Call, Option, operation
from .models import tags_of
from .sources import is_uri

_LONGEST_JSON = 100_000
_LARGEST = 1e300
_MEASURED = re.compile(r"[A-Za-z0-9._/@ -]{1,128}")


@dataclass(frozen=True)
class Register:
    """A version to register: of a run, a model, a bundle, or of nothing but what is said of it."""

    name: Annotated[str, Option("Model.")]
    version: Annotated[str | None, Option("Label, such as v2.3; v and the number by default.")] = None
    metrics: Annotated[str | None, Option("JSON object of numbers; by default those of the run.")] = None
    params: Annotated[str | None, Option("JSON object; by default those of the run.")] = None
    run: Annotated[str | None, Option("MLflow run whose logged model it is.")] = None
    path: Annotated[str | None, Option("Model file or folder, models:/… or runs:/….")] = None
    bundle: Annotated[Path | None, Option("Folder of a bundle.")] = None
    sample: Annotated[Path | None, Option("Rows to prove the bundle with; MLflow's example by default.")] = None
    task: Annotated[str | None, Option("binary, multiclass or regression; as the model shows it.")] = None
    label: Annotated[str | None, Option("Column of the sample with the truth: gives metrics and importance.")] = None
    classes: Annotated[str | None, Option("Names of the classes, in the order of the scores: A,B,C.")] = None
    description: Annotated[str, Option("What it is.")] = ""
    tag: Annotated[tuple[str, ...], Option("KEY=VALUE; repeat for more.")] = ()
    stage: Annotated[str | None, Option("Promote it to this stage when it is registered.")] = None


@dataclass(frozen=True)
class JudgeVersion:
    """A version, and the limits that its metrics must keep, such as min_accuracy."""

    name: str
    version: str
    limits: Mapping[str, float]


@dataclass(frozen=True)
class _Origin:
    """Where a version comes from. `where`: its model, to be read; `number`: MLflow has the version already."""

    source: str
    run: str | None
    where: Path | None = None
    number: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


@operation("model", "register", Permission.DEVELOP, local=True)
def register(call: Call[Register]) -> Any:
    """Register a version: with a model its bundle is built and the registration gate run; else its metadata only."""
    return register_built(call, None)


def register_built(call: Call[Register], built: Path | None) -> dict[str, Any]:
    """See `register`; with `built` the bundle of the model at `path` stands in that folder already."""
    given, project = call.input, call.project
    _refuse_mixed(given)
    if given.stage is not None:
        authorize(call.principal, Permission.OPERATE)
    tags, description = check_tags(tags_of(given.tag)), check_description(given.description)
    metrics, params = numbers_of(given.metrics, "--metrics"), _object(given.params, "--params")
    number = _own_number(given)
    project.models.check_new(given.name, given.version, number, tags, description)
    if given.bundle is not None:
        show_bundle(given.bundle)
    project.workspace.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.workspace) as folder:
        origin = _origin(project, given, number, metrics, params)
        bundle = _bundle(project, given, origin, Path(folder) / "bundle", built)
        measured = {} if given.label is None or bundle is None else show_bundle(bundle)["metrics"]
        metrics, params = {**origin.metrics, **measured, **metrics}, {**origin.params, **params}
        gates = _gates(project, given.name, metrics, bundle)
        version = project.models.register(
            given.name,
            principal=call.principal,
            source=origin.source,
            run=origin.run,
            bundle=bundle,
            digest=None if bundle is None else Digest(show_bundle(bundle)["digest"]),
            label=given.version,
            number=origin.number,
            metrics=metrics,
            params=params,
            tags={**origin.tags, **tags},
            gates=gates,
            description=description or origin.description,
            evaluation=None if origin.run is None else project.evaluations.by_run(origin.run),
        )
    return _registered(call, version, gates)


@operation("model", "gate", Permission.DEVELOP)
def judge(call: Call[JudgeVersion]) -> Any:
    """Judge a version by its metrics: --min-METRIC and --max-METRIC; the judgement stays with it.

    Without any it is judged by `models.NAME.gate`, or else by `DEFAULT_LIMITS`.
    """
    given, models = call.input, call.project.models
    version = models.get(given.name, given.version)
    limits = given.limits or _declared_limits(call.project, version.name) or DEFAULT_LIMITS
    judgement = judge_limits(version.metrics, limits)
    told = judged(judgement)

    def change(state: VersionState) -> VersionState:
        return msgspec.structs.replace(state, checks=(told,))

    models.change(version, call.principal, "model.gate", change, told)
    return {"name": version.name, "version": version.number, "label": version.label, **told}


def numbers_of(written: str | None, flag: str) -> dict[str, float]:
    """Metrics from a JSON object; InvalidInput for what is no finite number, with the names of all that are not."""
    found = _object(written, flag)
    wrong = [name for name, each in found.items() if not _is_number(each)]
    if wrong:
        raise InvalidInput(
            f"{flag}: {', '.join(shown(each) for each in wrong[:5])} {'is' if len(wrong) == 1 else 'are'} no number.",
            code="INVALID_METRICS",
            context={"names": [each[:40] for each in wrong[:20]]},
            remedy="Write finite numbers: '{\"auc\": 0.95}'.",
        )
    return {name: float(each) for name, each in found.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST and isfinite(value)


def _object(written: str | None, flag: str) -> dict[str, Any]:
    if written is None:
        return {}
    try:
        found = json.loads(written) if len(written) <= _LONGEST_JSON else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(
            f"{flag} {shown(written)} is no JSON object of at most {_LONGEST_JSON} characters.",
            code="INVALID_JSON",
            remedy="Write it like this: '{\"auc\": 0.95}'.",
        )
    for name in found:
        if not _MEASURED.fullmatch(name):
            raise InvalidInput(
                f"{flag}: {shown(name)} cannot name a metric or parameter.",
                code="INVALID_NAME",
                remedy="Use 1 to 128 letters, digits, spaces, '.', '_', '-', '/' or '@'.",
            )
    return found


def _refuse_mixed(given: Register) -> None:
    named = [name for name in ("run", "path", "bundle") if getattr(given, name) is not None]
    if len(named) > 1:
        flags = " and ".join(f"--{each}" for each in named)
        raise InvalidInput(f"{flags} name several models.", code="SEVERAL_MODELS", remedy="Name one of them.")
    building = [name for name in ("sample", "task", "label", "classes") if getattr(given, name) is not None]
    if building and given.path is None and given.run is None:
        raise InvalidInput(
            f"--{building[0]} is for a bundle that is built, and none is.",
            code="NO_MODEL",
            remedy=f"Add --path MODEL or --run RUN, or leave --{building[0]} out.",
        )


def _own_number(given: Register) -> int | None:
    """The number of the version that `--path models:/NAME/NUMBER` is, where NAME is the model's own."""
    found = re.fullmatch(r"models:/([^/]+)/(\d{1,8})", given.path or "", flags=re.ASCII)
    return int(found[2]) if found is not None and found[1] == given.name else None


def _origin(
    project: Project, given: Register, number: int | None, metrics: Mapping[str, float], params: Mapping[str, Any]
) -> _Origin:
    """Where the version comes from; what has no run in MLflow yet gets one, with its metrics and parameters."""
    if number is not None:
        return _in_mlflow(project, given, number)
    if given.run is not None:
        ran, told = project.models.logged_by(given.run)
        uri = f"runs:/{given.run}/model"
        return _Origin(uri, given.run, Path(uri), metrics=_plain(ran), params=told)
    if given.path is not None and is_uri(given.path):
        with_run = re.fullmatch(r"runs:/([0-9a-f]{32})/.+", given.path)
        ran, told = project.models.logged_by(with_run[1]) if with_run is not None else ({}, {})
        run = with_run[1] if with_run is not None else None
        return _Origin(given.path, run, Path(given.path), metrics=_plain(ran), params=told)
    where = None if given.path is None else Path(given.path)
    if where is not None and not os.path.exists(where):  # noqa: PTH110 - also where no file can have such a name
        raise NotFound(f"There is no model at {shown(str(where), 200)}.", code="NO_MODEL", remedy="Correct --path.")
    if where is not None and not (where.is_file() or where.is_dir()):  # a device may be read for ever
        raise InvalidInput(f"{shown(str(where), 200)} is neither a file nor a folder.", remedy="Correct --path.")
    with project.tracker.run(given.name, f"register {given.version or given.name}") as run_made:
        run_made.log(params=params, metrics=metrics)
        if where is not None:
            _log(run_made, where)
    source = f"runs:/{run_made.id}/{where.name}" if where is not None else ""
    return _Origin(source, run_made.id, where)


def _in_mlflow(project: Project, given: Register, number: int) -> _Origin:
    """A version that plain MLflow registered."""
    found = project.models.logged(given.name, number)
    if found is None:
        raise NotFound(
            f"MLflow has no version {number} of {given.name}.",
            code="NO_MODEL",
            remedy="Look at what it has, or register the model file itself: --path FILE.",
        )
    tags = {name: value for name, value in found.tags.items() if is_name(name) and _is_short(value)}
    text = found.description if _is_short(found.description) else ""  # the rest stays to be seen in MLflow
    uri = Path(f"models:/{given.name}/{number}")
    return _Origin(found.source, found.run, uri, number, _plain(found.metrics), found.params, tags, text)


def _log(run: Run, where: Path) -> None:
    if where.is_dir():
        run.log_folder(where, where.name)
    else:
        run.log_file(where, where.name)


def _bundle(project: Project, given: Register, origin: _Origin, into: Path, built: Path | None) -> Path | None:
    """The folder of the version's bundle, built if it must be; checked either way. What is built here is signed."""
    folder = built or given.bundle
    if origin.where is not None and built is None:
        asked = BuildBundle(
            path=origin.where,
            output=into,
            sample=given.sample,
            name=given.name,
            version=given.version or origin.run or str(origin.number or 1),
            task=given.task,
            label=given.label,
            classes=given.classes,
        )
        build_from_files(asked, tracker=project.tracker, signer=project.keys.own)
        folder = into
    if folder is not None:
        check_bundle(folder, allow_python=project.settings.security.digests)
    return folder


def _gates(project: Project, name: str, metrics: Mapping[str, float], bundle: Path | None) -> list[Judgement]:
    """The registration gate: the bundle has just answered its golden rows, and the declared limits are kept."""
    declared = _declared_limits(project, name)
    gates = [Judgement(Verdict.PASS, ("the bundle answers its golden rows",))] if bundle is not None else []
    if declared:
        gates.append(judge_limits(metrics, declared))
    return gates


def _declared_limits(project: Project, name: str) -> Mapping[str, float]:
    settings = project.settings.models.get(name)
    return {} if settings is None else settings.gate


def _registered(call: Call[Register], version: ModelVersion, gates: Sequence[Judgement]) -> dict[str, Any]:
    """What was registered, and how it fared; promoted when that was asked for and the gate passed."""
    whole = Judgement.all_of(gates) if gates else None
    failed = whole is not None and whole.verdict is not Verdict.PASS
    promoted: Sequence[Any] = ()
    if call.input.stage is not None and not failed:
        promoted = call.project.promotions.promote(version.name, version.number, call.input.stage, call.principal)
    told: dict[str, Any] = msgspec.to_builtins(call.project.models.get(version.name, version.number))
    return {
        **told,
        "servable": version.bundle is not None,
        "verdict": whole.verdict.value if whole is not None else None,
        "reasons": list(whole.reasons) if whole is not None else [],
        "promoted": [msgspec.to_builtins(each) for each in promoted],
    }


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that are numbers: a run may have logged NaN."""
    return {name: each for name, each in metrics.items() if isfinite(each)}


def _is_short(text: str) -> bool:
    return len(text) <= 1000 and text.isprintable()
