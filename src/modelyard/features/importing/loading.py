"""Having a Feast repository described by an interpreter that has Feast."""

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import msgspec

from modelyard.core import Failed, InvalidInput, NotFound, Unavailable, shown

from .records import FeastRepository

_SETTINGS = "feature_store.yaml"
_SECONDS = 600


class _Failure(msgspec.Struct):
    failed: str
    where: str


def described_repository(repository: Path, python: Path | None = None) -> FeastRepository:
    """What a repository defines. Its Python files are imported, in a process of `python`'s, by default this one.

    NotFound when there is no such folder, InvalidInput when it is no Feast repository, Unavailable when the interpreter
    or its Feast is not there, Failed when the repository's own code raises.
    """
    _check(repository)
    interpreter = str(python or sys.executable)
    text = resources.files(__package__).joinpath("describe.py").read_text()
    try:
        ended = subprocess.run(
            [interpreter, "-", str(repository.resolve())],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, "FEAST_USAGE": "False", "PYTHONDONTWRITEBYTECODE": "1"},
        )
    except OSError as error:
        raise Unavailable(
            f"{shown(interpreter, 200)} cannot be started: {error.strerror or error}.",
            code="NO_INTERPRETER",
            remedy="Give --python the interpreter of an environment with Feast, such as feast-env/bin/python.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Failed(
            f"Importing {repository} did not end within {_SECONDS} s.",
            code="FEAST_REPOSITORY_FAILED",
            remedy="See what its files do when they are imported: feast apply would wait for the same.",
        ) from error
    return _read(ended, repository, interpreter)


def _check(repository: Path) -> None:
    if not repository.is_dir():
        raise NotFound(f"There is no folder {repository}.", remedy="Name the folder of the feature_store.yaml.")
    if (repository / _SETTINGS).is_file():
        return
    below = [each.parent for each in sorted(repository.glob(f"*/{_SETTINGS}"))]
    raise InvalidInput(
        f"{repository} is no Feast repository: it has no {_SETTINGS}.",
        code="NO_FEAST_REPOSITORY",
        remedy=f"Did you mean {below[0]}?" if below else f"Name the folder of the {_SETTINGS}.",
    )


def _read(ended: subprocess.CompletedProcess[str], repository: Path, interpreter: str) -> FeastRepository:
    last = ended.stdout.strip().splitlines()[-1:] or [""]
    try:
        told = _decoded(last[0])
    except msgspec.DecodeError as error:
        words = " ".join((ended.stderr or "it said nothing").split())[-300:]
        raise Failed(
            f"{interpreter} ended with {ended.returncode} and described nothing: {words}",
            code="FEAST_REPOSITORY_FAILED",
            remedy="Give --python the interpreter of an environment with Feast.",
        ) from error
    if isinstance(told, FeastRepository):
        return told
    if told.where == "feast":
        raise Unavailable(
            f"{interpreter} has no Feast that can be imported: {told.failed[:200]}.",
            code="NOT_INSTALLED",
            remedy="Name one that has: --python feast-env/bin/python; or make one: python3 -m venv feast-env && "
            "feast-env/bin/pip install feast.",
        )
    raise Failed(
        f"The repository {repository} cannot be imported: {told.failed[:400]}.",
        code="FEAST_REPOSITORY_FAILED",
        remedy="Correct it until feast apply reads it.",
    )


def _decoded(line: str) -> FeastRepository | _Failure:
    if line.startswith('{"failed"'):
        return msgspec.json.decode(line, type=_Failure)
    return msgspec.json.decode(line, type=FeastRepository)
