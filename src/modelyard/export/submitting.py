"""A pipeline started on somebody else's engine: by that engine's own client, in a Python that has it."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelyard.core import did_you_mean

from .errors import ClientMissing, EngineUnreachable, SubmissionRefused, UnsupportedSetting
from .kubeflow import specification
from .records import Subject

_ROOM = Path(__file__).parent
_CLIENTS = {"kubeflow": "kfp", "ray": "ray"}
ENGINES = tuple(_CLIENTS)
"""The engines that pipelines can be submitted to."""

_SIGN_IN = "Set RAY_AUTH_MODE=token; RAY_AUTH_TOKEN has the token, or the file that RAY_AUTH_TOKEN_PATH names."


@dataclass(frozen=True)
class Submission:
    """What is to run where: an engine's name, its address, the pipeline and its parameters.

    `python`: of an environment with the engine's client; this one's without. `folder`: of the project, as the nodes of
    a Ray cluster see it. `namespace`: of Kubeflow, where it has several users.
    """

    engine: str
    host: str
    pipeline: str
    arguments: Mapping[str, Any]
    experiment: str
    folder: Path
    namespace: str | None = None
    python: Path | None = None


@dataclass(frozen=True)
class Submitted:
    """The engine's name for what runs there, and its page."""

    run: str
    url: str


def submit(subject: Subject, given: Submission, *, limit_seconds: float = 120.0) -> Submitted:
    """Start a pipeline on an engine; returns once the engine took it.

    Raises ClientMissing without the engine's client, EngineUnreachable when nobody answers, SubmissionRefused with
    what the engine said, and UnsupportedSetting for what it cannot carry.
    """
    if given.engine not in ENGINES:
        raise UnsupportedSetting(
            f"Nothing can be submitted to '{given.engine[:60]}'. Engines: {', '.join(ENGINES)}.",
            context={"setting": "engine"},
            remedy=did_you_mean(given.engine, ENGINES),
        )
    with TemporaryDirectory() as folder:
        told = _job(given) if given.engine == "ray" else _run(subject, given, Path(folder))
        answer = _asked(given, told, limit_seconds)
    if "run" in answer:
        return Submitted(answer["run"], answer["url"])
    raise _error(given, answer)


def _run(subject: Subject, given: Submission, folder: Path) -> dict[str, Any]:
    """A run of Kubeflow: containers of the training image, and the parameters as its API takes them."""
    package = folder / f"{given.pipeline}.yaml"
    package.write_text(specification(subject, given.pipeline), encoding="utf-8")
    return {
        "host": given.host,
        "package": str(package),
        "arguments": dict(given.arguments),
        "name": f"{subject.project} {given.pipeline}",
        "experiment": given.experiment or subject.project,
        "namespace": given.namespace,
    }


def _job(given: Submission) -> dict[str, Any]:
    """A job of Ray: the command that runs the pipeline on the cluster it finds itself on."""
    words = ["modelyard", "pipeline", "run", given.pipeline, "--engine", "ray", "--project", str(given.folder)]
    words += [word for name, value in given.arguments.items() for word in ("-p", f"{name}={_spelled(value)}")]
    words += ["--experiment", given.experiment] if given.experiment else []
    settings = {"MODELYARD_EXECUTION_RAY_ADDRESS": "auto", "RAY_USAGE_STATS_ENABLED": "0"}
    return {
        "host": given.host,
        "entrypoint": shlex.join(words),
        "runtime_env": {"env_vars": settings},
        "metadata": {"pipeline": given.pipeline},
    }


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _asked(given: Submission, told: Mapping[str, Any], limit_seconds: float) -> dict[str, str]:
    """What the engine's client answers, in a process of its own."""
    python, program = given.python or Path(sys.executable), _ROOM / given.engine / "client.py"
    try:
        ended = subprocess.run(
            [python, "-I", program],
            input=json.dumps(told),
            capture_output=True,
            text=True,
            check=False,
            timeout=limit_seconds,
        )
    except OSError as error:
        return {"missing": str(error)}
    except subprocess.TimeoutExpired:
        return {"unreachable": f"no answer within {limit_seconds:g} s"}
    if ended.returncode:
        return {"refused": (ended.stderr.strip().splitlines() or ["no word"])[-1][:500]}
    answer: dict[str, str] = json.loads(ended.stdout)
    return answer


def _error(given: Submission, answer: Mapping[str, str]) -> Exception:
    context = {"engine": given.engine, "host": given.host}
    if "missing" in answer:
        client = _CLIENTS[given.engine]
        return ClientMissing(
            f"{given.python or sys.executable} has no '{client}': {answer['missing']}.",
            context=context,
            remedy=f"Install it, in an environment of its own: python -m venv {client} && {client}/bin/pip install "
            f"{client}. Then name it: --python {client}/bin/python",
        )
    if "unreachable" in answer:
        return EngineUnreachable(
            f"{given.engine} at {given.host} does not answer: {answer['unreachable']}",
            context=context,
            remedy="See that the address is right and can be reached from here.",
        )
    return SubmissionRefused(
        f"{given.engine} at {given.host} refused the run: {answer['refused']}",
        context=context,
        remedy=_SIGN_IN if given.engine == "ray" and "oken authentication" in answer["refused"] else "",
    )
