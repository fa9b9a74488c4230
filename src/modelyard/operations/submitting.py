"""The operation that starts a pipeline on somebody else's engine."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput, did_you_mean
from modelyard.export import ENGINES, Subject, Submission, pipeline_of, submit

from .contract import Call, Option, operation
from .export import subject_of
from .pipelines import given_parameters


@dataclass(frozen=True)
class SubmitPipeline:
    """A pipeline with its parameters, and where it runs."""

    engine: Annotated[str, Option(f"Engine: {' or '.join(ENGINES)}.")]
    host: Annotated[str, Option("Its address: of Kubeflow's API, or of a Ray cluster's dashboard.")]
    name: Annotated[str | None, Option("Pipeline; the scheduled one by default.", positional=True)] = None
    param: Annotated[tuple[str, ...], Option("Parameter as name=value; repeat for more.", flag="-p")] = ()
    params: Annotated[Path | None, Option("YAML file of parameters; -p goes before it.")] = None
    experiment: Annotated[str, Option("Experiment that the run belongs to.")] = ""
    namespace: Annotated[str | None, Option("Namespace, where Kubeflow has several users.")] = None
    python: Annotated[Path | None, Option("Python of an environment with the engine's client: kfp or ray.")] = None


@operation("pipeline", "submit", Permission.DEVELOP, local=True)
def submit_pipeline(call: Call[SubmitPipeline]) -> Any:
    """Start a pipeline on Kubeflow, or as a job of a Ray cluster; ends once it was taken there."""
    wanted, subject = call.input, subject_of(call.project)
    name = wanted.name or pipeline_of(subject)
    call.project.pipelines.settings(name)
    told = Submission(
        engine=wanted.engine,
        host=wanted.host,
        pipeline=name,
        arguments=_arguments(subject, name, given_parameters(wanted.params, wanted.param), call.project.clock.now()),
        experiment=wanted.experiment,
        folder=call.project.file.folder.absolute(),
        namespace=wanted.namespace,
        python=wanted.python,
    )
    taken = submit(subject, told)
    return {"pipeline": name, "engine": wanted.engine, "run": taken.run, "url": taken.url}


def _arguments(subject: Subject, name: str, given: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What is given, as JSON; `as_of` is now unless it is, and what has neither value nor default is an error."""
    known = subject.pipelines[name]()["parameters"]
    if "as_of" in known:
        given = {"as_of": now} | given
    if wrong := sorted(given.keys() - known.keys()):
        raise InvalidInput(
            f"Pipeline '{name}' has no parameter '{wrong[0]}'.",
            context={"path": wrong[0]},
            remedy=did_you_mean(wrong[0], known),
        )
    if lacking := [each for each, told in known.items() if each not in given and "default" not in told]:
        raise InvalidInput(
            f"Pipeline '{name}' needs a value for: {', '.join(lacking)}.",
            context={"path": lacking[0]},
            remedy=f"Give it: -p {lacking[0]}=VALUE",
        )
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in given.items()}
