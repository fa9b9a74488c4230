"""Whom a suite of answers is asked of: a deployment that runs, a version on a server of its own, or an earlier file."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.core import InvalidInput, SystemClock, Unavailable, check_name, shown, to_micros
from modelyard.llm import InvalidSuite
from modelyard.llm.answers import Answer, AnswerSuite, Asked, Gateway, ask_suite
from modelyard.wiring import Manner, Project, served_privately, with_costs

from .deploying import API_KEY

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Asking:
    """Whom to ask: a `deployment` that runs (at `url`, by default the project's own server), an `application` at a
    `version` that need not be live, or nobody: `answers` is what an earlier evaluation wrote.

    `baseline` is another one to compare with: a deployment, NAME/VERSION of an application, or such a file. Every case
    is asked `repeat` times, `at_once` of them together. `key` names variables by groups, for deployments that run.
    """

    deployment: str | None = None
    url: str | None = None
    application: str | None = None
    version: str | None = None
    answers: Path | None = None
    baseline: str | None = None
    repeat: int = 1
    at_once: int = 1
    deadline: float = 120.0
    key: tuple[str, ...] = ()


def asked_of(given: Asking, suite: AnswerSuite, digest: str, project: Project | None, progress: Progress) -> Asked:
    named = [given.deployment, given.application, given.answers]
    if sum(each is not None for each in named) != 1:
        raise InvalidInput(
            "Nothing says who is asked, or several things do.",
            code="WHO_IS_ASKED",
            remedy="Give one: --deployment NAME, --application NAME --version N, or --answers FILE.",
        )
    if given.url is not None and given.deployment is None:
        raise InvalidInput("--url goes with --deployment.", code="WHO_IS_ASKED", remedy="Name the deployment there.")
    if (given.application is None) != (given.version is None):
        raise InvalidInput(
            "--application and --version go together.", code="WHO_IS_ASKED", remedy="--application desk --version 2"
        )
    if given.answers is not None:
        return _read(given.answers, suite, digest)
    if given.application is not None and given.version is not None:
        return _of_version(given, given.application, given.version, suite, project, progress)
    return _of_deployment(given, str(given.deployment), given.url, suite, project, progress)


def baseline_of(given: Asking, suite: AnswerSuite, digest: str, project: Project | None, progress: Progress) -> Asked:
    """A file of answers, NAME/VERSION of an application, or a deployment of the same server."""
    written = str(given.baseline)
    progress(f"asking {written}")
    if Path(written).is_file():
        return _read(Path(written), suite, digest)
    name, slash, version = written.partition("/")
    if slash:
        return _of_version(given, name, version, suite, project, progress)
    return _of_deployment(given, written, given.url, suite, project, progress)


def _of_deployment(
    given: Asking,
    deployment: str,
    url: str | None,
    suite: AnswerSuite,
    project: Project | None,
    progress: Progress,
) -> Asked:
    """What a deployment that runs answers, and what that cost where the project's log has it."""
    check_name("deployment", deployment)
    where = url or _address(needed(project, "--deployment without --url"), deployment)
    keys = _keys(given.key)
    gateway = Gateway(_base(where), deployment, keys, given.deadline, given.at_once)
    began = SystemClock().now()
    asked = ask_suite(suite, deployment, gateway, repeat=given.repeat, progress=progress)
    return asked if project is None else with_costs(asked, project.log, deployment, began)


def _of_version(
    given: Asking,
    name: str,
    version: str,
    suite: AnswerSuite,
    project: Project | None,
    progress: Progress,
) -> Asked:
    """What a version answers, on a server of its own."""
    project = needed(project, "--application")
    found = project.models.get(check_name("model", name), version)
    progress(f"starting version {found.number} of {name}")
    with served_privately(project, found, suite.askers) as private:
        manner = Manner(given.repeat, given.at_once, given.deadline)
        return private.ask(suite, f"{name}/{found.number}", manner, progress)


def _read(path: Path, suite: AnswerSuite, digest: str) -> Asked:
    """The answers that an earlier evaluation of the very suite wrote."""

    class Written(msgspec.Struct):
        digest: str
        asked: str
        answers: tuple[Answer, ...]

    try:
        found = msgspec.json.decode(path.read_bytes(), type=Written)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} has no answers of an evaluation: {error}.",
            code="NO_ANSWERS",
            remedy="Write them with --output FILE.",
        ) from error
    if found.digest != digest or not {each.case for each in found.answers} <= {case.id for case in suite.cases}:
        raise InvalidSuite(
            f"The answers in {path} are to another suite, of digest {found.digest[:12]}….",
            context={"suite": digest, "answers": found.digest},
            remedy="Ask again, or give the suite as it was.",
        )
    return Asked(found.asked, found.answers)


def _keys(written: Sequence[str]) -> dict[tuple[str, ...], str]:
    """API keys by the groups of their holders, from the environment; everybody's is MODELYARD_API_KEY."""
    found: dict[tuple[str, ...], str] = {(): os.environ.get(API_KEY, "")}
    for each in written:
        groups, equals, variable = each.rpartition("=")
        if not equals or not groups or not os.environ.get(variable):
            what = f"There is no key in {shown(variable)}" if equals and groups else f"{shown(each)} names no variable"
            raise InvalidInput(
                f"{what}.",
                code="NO_KEY",
                remedy="Write --key GROUP,GROUP=VARIABLE, and put the key into that variable.",
            )
        found[tuple(group.strip() for group in groups.split(","))] = os.environ[variable]
    return found


def _address(project: Project, deployment: str) -> str:
    """Where the project's own server answers as a deployment."""
    project.rollouts.settings(deployment)
    statuses = project.feed.statuses(to_micros(SystemClock().now()))
    found = next((each.address for each in statuses if deployment in each.generations), None)
    if found is not None:
        return found.replace("//0.0.0.0:", "//127.0.0.1:")
    raise Unavailable(
        f"No server runs that could be asked as '{deployment}'.",
        code="NO_SERVER",
        context={"deployment": deployment},
        remedy="Start one (modelyard up), name another (--url http://HOST:PORT), or ask a version: --application.",
    )


def _base(url: str) -> str:
    bare = url.rstrip("/")
    return bare if bare.endswith("/v1") else f"{bare}/v1"


def needed(project: Project | None, what: str) -> Project:
    if project is not None:
        return project
    raise InvalidInput(
        f"{what} needs a project, and there is no modelyard.yaml here.",
        code="NO_PROJECT",
        remedy="Go to its folder, or name it: --project FOLDER",
    )
