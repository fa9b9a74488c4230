"""Operations on runs of pipelines: resume, list, logs, why; and a single step as a process of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, atomic_write, did_you_mean
from modelyard.pipelines import (
    PipelineRun,
    RunNotFound,
    draw_run,
    explain,
    find_run,
    newest_runs,
    run_step,
    worker_of,
)
from modelyard.wiring import Project

from .contract import Call, Option, operation


@dataclass(frozen=True)
class Runs:
    """Which runs to list."""

    pipeline: Annotated[str | None, Option("Only of this pipeline.")] = None
    limit: Annotated[int, Option("At most so many.")] = 20
    skip: Annotated[int, Option("Leave out so many of the newest.")] = 0


@dataclass(frozen=True)
class CleanRuns:
    """What to spare."""

    keep: Annotated[int | None, Option("So many of the newest runs of each pipeline; by default what is declared.")] = (
        None
    )
    dry_run: Annotated[bool, Option("Only say what would go.")] = False


@dataclass(frozen=True)
class OneRun:
    """A run."""

    run: Annotated[str, Option("Run.", positional=True)]


@dataclass(frozen=True)
class Logs:
    """A run, or one step of it."""

    run: Annotated[str, Option("Run.", positional=True)]
    step: Annotated[str | None, Option("Step; all without.", positional=True)] = None


@dataclass(frozen=True)
class WhyStep:
    """A step of a run, or of the newest run of a pipeline."""

    name: Annotated[str, Option("Pipeline, whose newest run is meant, or run.", positional=True)]
    step: Annotated[str, Option("Step.", positional=True)]


@dataclass(frozen=True)
class RunStep:
    """A step to carry out by itself."""

    function: Annotated[str, Option("file.py:function of the project, or module:function.", positional=True)]
    inputs: Annotated[str, Option("Artifacts by parameter, as JSON: what earlier steps printed as output.")] = "{}"
    params: Annotated[str, Option("Other parameters, as JSON.")] = "{}"
    run: Annotated[str, Option("Id of the run that it is part of.")] = "by-hand"
    name: Annotated[str, Option("Name of the step in it; by default the function's.")] = ""
    seed: Annotated[int | None, Option("Seed of its random generators.")] = None
    output: Annotated[Path | None, Option("Write the output artifact into this file too, for a later --inputs.")] = None
    verdict: Annotated[Path | None, Option("Write the verdict into this file; `pass` where nothing was judged.")] = None
    must_pass: Annotated[bool, Option("Exit code 1 when its judgement is not pass: for orchestrators.")] = False
    secret: Annotated[tuple[str, ...], Option("Environment variable whose value must not be shown; repeat.")] = ()


@operation("pipeline", "list", Permission.READ)
def list_pipeline_runs(call: Call[Runs]) -> Any:
    """The runs of pipelines, newest first."""
    if call.input.pipeline is not None:
        call.project.pipelines.settings(call.input.pipeline)
    if call.input.limit < 1 or call.input.skip < 0:
        raise InvalidInput("--limit counts from 1 and --skip from 0.", remedy="modelyard pipeline list --limit 20")
    found, _ = newest_runs(
        call.project.records, pipeline=call.input.pipeline, skip=call.input.skip, limit=call.input.limit
    )
    return [without_inner_matters(each) for each in found]


@operation("pipeline", "status", Permission.READ)
def run_status(call: Call[OneRun]) -> Any:
    """A run and each of its steps: state, time, cache, result, and whether a process works on it; also drawn."""
    run = run_of(call.project, call.input.run)
    working = worker_of(call.project.records, run) is not None
    return {**without_inner_matters(run), "working": working, "svg": draw_run(run)}


@operation("pipeline", "clean", Permission.DEVELOP)
def clean_runs(call: Call[CleanRuns]) -> Any:
    """Remove the tables, arrays and objects that steps of old runs handed on; records, results and logs stay."""
    declared, asked = call.project.settings.execution.keep_runs, call.input.keep
    keep = declared if asked is None else asked
    if keep is None or keep < 1:
        raise InvalidInput(
            "How many runs of each pipeline are to be spared?", remedy="Say so: modelyard pipeline clean --keep 5"
        )
    cleaning = call.project.pipelines.cleaning_but(keep)
    cleaned = cleaning.plan() if call.input.dry_run else call.project.pipelines.clean(cleaning)
    return {**msgspec.to_builtins(cleaned), "keep": keep, "removed": not call.input.dry_run}


@operation("pipeline", "logs", Permission.READ, local=True)
def show_logs(call: Call[Logs]) -> Any:
    """What the steps of a run wrote to standard output and error."""
    run = run_of(call.project, call.input.run)
    folder = call.project.workspace / "runs" / run.id / "logs"
    names = [each.name for each in run.steps]
    if call.input.step is not None and call.input.step not in names:
        raise NotFound(f"Run {run.id} has no step '{call.input.step}'.", remedy=did_you_mean(call.input.step, names))
    return [
        {"step": name, "log": _text(folder, name)}
        for name in names
        if call.input.step is None or name == call.input.step
    ]


@operation("pipeline", "why", Permission.READ)
def why(call: Call[WhyStep]) -> Any:
    """Why a step was taken from the cache, or what changed so that it ran."""
    return msgspec.to_builtins(explain(call.project.records, call.input.name, call.input.step))


@operation("step", "run", Permission.DEVELOP, local=True)
def carry_out_step(call: Call[RunStep]) -> Any:
    """Carry out one step in this process, artifacts in and out as JSON: what Kubernetes or Airflow calls."""
    given = call.input
    told = run_step(
        call.project.pipelines.engine(name="local").place,
        given.function,
        inputs=_object("inputs", given.inputs),
        params=_object("params", given.params),
        run_id=given.run,
        name=given.name,
        seed=given.seed,
        secrets=given.secret,
    )
    if given.output is not None:
        atomic_write(given.output, msgspec.json.encode(told["output"]), durable=False)
    if given.verdict is not None:
        atomic_write(given.verdict, (told["verdict"] or "pass").encode(), durable=False)
    return told | {"holds_back": given.must_pass and told["verdict"] not in (None, "pass")}


def without_inner_matters(run: PipelineRun) -> dict[str, Any]:
    """A run for people and scripts: no keys or digests of parameters."""
    told: dict[str, Any] = msgspec.to_builtins(run)
    told.pop("inputs")
    for step in told["steps"]:
        step.pop("components")
    return told


def run_of(project: Project, run_id: str) -> PipelineRun:
    """The run of an id; RunNotFound when there is none."""
    run = find_run(project.records, run_id)
    if run is None:
        known = [each.id for each in newest_runs(project.records, limit=50)[0]]
        raise RunNotFound(
            f"There is no run {run_id}.", remedy=f"{did_you_mean(run_id, known)} See: modelyard pipeline list"
        )
    return run


def _text(folder: Path, step: str) -> str:
    """The log of a step, or of its elements one after another."""
    single = folder / f"{step}.log"
    files = (
        [single]
        if single.exists()
        else sorted(folder.glob(f"{step}.*.log"), key=lambda each: int(each.suffixes[-2][1:]))
    )
    return "".join(each.read_text(errors="replace") for each in files)


def _object(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"--{option} is no JSON: {error}.", context={"path": option}) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"--{option} is {text[:100]}, no JSON object.", remedy='Write {"name": value}.')
    return value
