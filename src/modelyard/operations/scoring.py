"""Scoring files with a model of the project, or with a bundle alone."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, SystemClock, check_name, did_you_mean
from modelyard.execution import ENGINES, check_engine
from modelyard.inference import NO_TRUST_ASKED, Bundle, load_bundle
from modelyard.online import FeaturePlan
from modelyard.registry import ModelVersion, alias_of
from modelyard.scoring import BatchDone, BatchJob, LogInto, PointInTime, Spread, Watch, score_batch
from modelyard.wiring import FILE_NAME, Project

from .contract import Call, Option, operation
from .sources import is_uri

_WATCHING: ContextVar[Watch | None] = ContextVar("scoring_watcher", default=None)


@dataclass(frozen=True)
class Score:
    """What is scored, by which model, and where to."""

    input: Annotated[str, Option("CSV, Parquet, JSONL or Arrow: a file, folder, glob or URL.")]
    output: Annotated[
        str, Option("A .parquet, .csv, .jsonl or .arrow file or URL; without an ending a folder of parts.", short="-o")
    ]
    model: Annotated[str | None, Option("Model and version: NAME@alias, NAME/VERSION; NAME alone is @production.")] = (
        None
    )
    bundle: Annotated[Path | None, Option("A bundle's folder instead; needs no project.")] = None
    batch_size: Annotated[int, Option("So many rows go to the model at a time.")] = 10_000
    engine: Annotated[str, Option("local (all processors of this machine) or ray.")] = "local"
    entities: Annotated[bool, Option("Rows have keys: join the model's features as known at each row's time.")] = False
    event_time: Annotated[str, Option("With --entities: the column of each row's time.")] = "event_timestamp"
    where: Annotated[str | None, Option("Score only rows for which this SQL condition is true.")] = None
    keep: Annotated[str | None, Option("Columns that the output keeps, A,B; all by default.")] = None
    format: Annotated[str | None, Option("Format of a folder's parts: parquet, csv, jsonl or arrow.")] = None
    on_bad_row: Annotated[str, Option("A row that the model does not take: reject (into a file) or stop.")] = "reject"
    rejects: Annotated[str | None, Option("File of rejected rows; by default OUTPUT.rejects.jsonl.")] = None
    ids: Annotated[bool, Option("Add a prediction id to each row.")] = False
    log: Annotated[str | None, Option("Put answers into the prediction log as this deployment's; implies --ids.")] = (
        None
    )
    resume: Annotated[bool, Option("Go on behind the parts of a job that was cut off.")] = False
    force: Annotated[bool, Option("Write over a file that exists.")] = False
    durability: Annotated[str, Option("What parts survive: process (kill -9), or power (a power cut too; slower).")] = (
        "process"
    )


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Tell `watch` how far the job is that is done inside the block."""
    token = _WATCHING.set(watch)
    try:
        yield
    finally:
        _WATCHING.reset(token)


@operation("score", "", Permission.DEVELOP, local=True)
def score(call: Call[Score]) -> Any:
    """Score files of any size with a model: all processors, bounded memory, resumable, bad rows into a file."""
    given = call.input
    with loaded(call.project, given.model, given.bundle) as model:
        return _told(_scored(given, model, call.project), model)


def score_alone(given: Score) -> Any:
    """The same without a project: with a bundle's folder."""
    if given.bundle is None:
        raise InvalidInput(
            "It is not said which model scores, and there is no project here.",
            code="NO_MODEL",
            remedy=f"Give --bundle FOLDER, or go to the folder of a {FILE_NAME} and give --model NAME@alias.",
        )
    with loaded(None, None, given.bundle) as model:
        return _told(_scored(given, model, None), model)


def batch_predict(
    model_uri: str, input_path: str | Path, output_path: str | Path, batch_size: int = 10_000, **options: Any
) -> int:
    """Score files with a model and write them with its answers; how many rows were written.

    `model_uri`: `models:/name/3`, `models:/name@production`, `models:/name/Production`, `runs:/ID/model` of the project
    in the working directory, or a bundle's folder. `options` as `modelyard score` has them: where, keep, on_bad_row,
    rejects, ids, log, entities, event_time, engine, format, resume, force, durability. See `scoring.score_batch` for
    what it raises.
    """
    bundle = None if is_uri(model_uri) else Path(model_uri)
    given = Score(str(input_path), str(output_path), bundle=bundle, batch_size=batch_size, **options)
    if bundle is not None and not Path(FILE_NAME).is_file():
        rows: int = score_alone(given)["rows"]
        return rows
    project = Project(Path())
    try:
        version = None if bundle is not None else named_by(project, model_uri)
        with loaded(project, version, bundle) as model:
            return _scored(given, model, project).rows
    finally:
        project.close()


@dataclass(frozen=True)
class LoadedModel:
    """A bundle that is loaded, where it lies, what its version is called, and that version where there is a project."""

    bundle: Bundle
    folder: Path
    label: str
    version: ModelVersion | None = None


@contextmanager
def loaded(project: Project | None, model: str | ModelVersion | None, folder: Path | None) -> Iterator[LoadedModel]:
    """The model that is asked for, ready to score, on the quickest code this machine has for it.

    InvalidInput when none or two are named; ModelVersionNotFound, and what `load_bundle` raises.
    """
    if (model is None) == (folder is None):
        raise InvalidInput(
            "Name one model: a version of the project, or a bundle's folder.",
            code="NO_MODEL",
            remedy="Give --model NAME@alias or --bundle FOLDER.",
        )
    if folder is not None:
        if not folder.is_dir():
            raise NotFound(
                f"There is no bundle folder {folder}.", code="NO_BUNDLE", remedy="See: modelyard bundle build"
            )
        trust = NO_TRUST_ASKED if project is None else project.trust
        with closing(load_bundle(folder, trust=trust)) as bundle:
            bundle.quicken()
            yield LoadedModel(bundle, folder, bundle.info.version)
        return
    assert project is not None  # noqa: S101 - a model is named only with one
    version = model if isinstance(model, ModelVersion) else _version(project, model or "")
    scratch = project.workspace / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as place:
        fetched = project.models.fetch_bundle(version, Path(place) / "bundle")
        with closing(load_bundle(fetched, expect=version.bundle, trust=project.trust)) as bundle:
            bundle.quicken()
            yield LoadedModel(bundle, fetched, str(version.number), version)


def named_by(project: Project, uri: str) -> ModelVersion:
    """The version that a URI of MLflow's names. ModelVersionNotFound, or NotFound for a run that registered none."""
    scheme, _, rest = uri.partition(":/")
    if scheme == "models":
        return _version(project, rest)
    run = rest.partition("/")[0]
    found = project.models.from_run(run)
    if found is None:
        raise NotFound(
            f"No version of this project was registered from run {run[:80]}.",
            code="NO_MODEL",
            remedy=f"Register it: modelyard model register --run {run[:80]}",
        )
    return found


def _version(project: Project, reference: str) -> ModelVersion:
    name, _, which = reference.replace("/", "@").partition("@")
    return project.models.get(name, (alias_of(which) or which) if which else "production")


def _scored(given: Score, model: LoadedModel, project: Project | None) -> BatchDone:
    if given.on_bad_row not in ("reject", "stop"):
        raise InvalidInput(f"--on-bad-row is {given.on_bad_row[:40]!r}.", remedy="Say reject or stop.")
    if given.durability not in ("process", "power"):
        raise InvalidInput(f"--durability is {given.durability[:40]!r}.", remedy="Say process or power.")
    if given.batch_size < 1:
        raise InvalidInput(f"A batch of {given.batch_size} rows cannot be.", remedy="Leave --batch-size out.")
    job = BatchJob(
        given.input,
        given.output,
        given.batch_size,
        given.where,
        given.format,
        None if given.keep is None else tuple(each.strip() for each in given.keep.split(",") if each.strip()),
        "stop" if given.on_bad_row == "stop" else "reject",
        given.rejects,
        given.ids or given.log is not None,
        given.resume,
        given.force,
        "power" if given.durability == "power" else "process",
        _into(given, project),
    )
    watch = _WATCHING.get() or (lambda _: None)
    clock = SystemClock() if project is None else project.clock
    with _enrichment(given, model, project) as enrich:
        done = score_batch(
            job,
            model.bundle,
            clock=clock,
            version=model.label,
            enrich=enrich,
            spread=_spread(given, model, project),
            watch=watch,
        )
    if project is not None and given.log is not None:
        project.log.seal()
    return done


def _into(given: Score, project: Project | None) -> LogInto | None:
    """Where answers go on record, if they do."""
    if given.log is None:
        return None
    if project is None:
        raise InvalidInput(
            "The prediction log is a project's, and there is no project here.",
            code="NO_PROJECT",
            remedy="Leave --log out, or go to the project's folder.",
        )
    event_time = given.event_time if given.entities else None
    return LogInto(project.journal_folder.absolute(), check_name("deployment", given.log), event_time)


def _spread(given: Score, model: LoadedModel, project: Project | None) -> Spread | None:
    """Where the parts go that this process does not score itself."""
    if given.engine == "local":
        return None
    if given.engine not in ENGINES:
        raise InvalidInput(f"There is no engine '{given.engine:.100}'.", remedy=did_you_mean(given.engine, ENGINES))
    if project is None:
        raise InvalidInput(
            "It is a project that says what cluster there is, and there is no project here.",
            code="LOCAL_ONLY",
            remedy="Leave --engine out, or go to the project's folder.",
        )
    engine = check_engine(given.engine, project.settings.execution)
    there = None
    if given.entities:
        there = FeaturesOf(project.file.folder.absolute(), tuple(_features(model)), given.event_time)
    return Spread(project.executor(engine), model.folder, there)


@dataclass(frozen=True)
class FeaturesOf:
    """What joins features of a project to rows, made in another process."""

    folder: Path
    features: tuple[str, ...]
    event_time: str

    def __call__(self) -> PointInTime:
        """Reads the sources; large ones are mapped from files, which are gone when the process is."""
        project = Project(self.folder)
        try:
            with TemporaryDirectory(prefix="modelyard-features-") as place:
                return PointInTime(
                    project.features.definitions,
                    self.features,
                    event_time=self.event_time,
                    spill=Path(place) / "spill",
                )
        finally:
            project.close()


def _features(model: LoadedModel) -> list[str]:
    """The features of views that a model takes, as `view:feature`."""
    plan = msgspec.convert(model.bundle.info.plan, FeaturePlan)
    features = [f"{view.name}:{name}" for view in plan.views for name in view.features]
    features += [f"{each.name}:{name}" for each in plan.derived for name in each.features]
    return features + [f"{each.name}:{name}" for each in plan.functions for name in each.features]


@contextmanager
def _enrichment(given: Score, model: LoadedModel, project: Project | None) -> Iterator[PointInTime | None]:
    """What joins the model's features to rows, where that is asked for."""
    if not given.entities:
        yield None
        return
    if project is None:
        raise InvalidInput(
            "Features are joined by a project's definitions, and there is no project here.",
            code="NO_PROJECT",
            remedy="Leave --entities out, or go to the project's folder.",
        )
    features = _features(model)
    if not features:
        raise InvalidInput(
            "The model takes no features of views: there is nothing to join.",
            code="NO_FEATURES",
            remedy="Leave --entities out.",
        )
    with TemporaryDirectory(dir=project.workspace / "scratch", prefix="features-") as spill:
        yield PointInTime(
            project.features.definitions, features, event_time=given.event_time, spill=Path(spill) / "spill"
        )


def _told(done: BatchDone, model: LoadedModel) -> dict[str, Any]:
    return {
        "output": done.output,
        "model": model.bundle.info.model,
        "model_version": model.label,
        "rows": done.rows,
        "read": done.read,
        "rejected": done.refused,
        "rejects": done.rejects,
        "unknown_levels": dict(done.unknown),
        "parts": done.parts,
        "resumed": done.resumed,
        "seconds": round(done.seconds, 3),
        "rows_per_second": round(done.rate),
    }
