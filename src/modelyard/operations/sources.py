"""Where a model comes from: a path, or a URI of MLflow's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from modelyard.core import InvalidInput, SystemClock
from modelyard.registry import alias_of
from modelyard.tracking import Tracker
from modelyard.wiring import FILE_NAME, Project

_SCHEMES = ("models:/", "runs:/")


@contextmanager
def model_at(where: Path, tracker: Tracker | None = None) -> Iterator[Path]:
    """The file or folder of a model: as given, or fetched from MLflow into a folder that goes with the block.

    `models:/name/3`, `models:/name@alias`, `models:/name/Production` and `runs:/id/path` are asked of `tracker`;
    without one of the project in the working directory, or else of the MLflow at MLFLOW_TRACKING_URI. InvalidInput when
    there is neither.
    """
    uri = str(where)
    if not is_uri(uri):
        yield where
        return
    with TemporaryDirectory() as folder, nullcontext(tracker) if tracker else _tracker(uri) as asked:
        yield asked.download(_as_alias(uri), Path(folder))


def is_uri(where: str) -> bool:
    """Whether a model is named by a URI of MLflow's."""
    return where.startswith(_SCHEMES)


def name_of(where: Path) -> str:
    """What a model is called that has no other name: its file's name, or what its URI calls it."""
    uri = str(where)
    if uri.startswith(_SCHEMES):
        first, _, last = uri.partition(":/")[2].partition("/")
        return first.partition("@")[0] if uri.startswith("models:/") else last.rpartition("/")[2] or first
    return where.stem


def _as_alias(uri: str) -> str:
    """`models:/name/Production` as `models:/name@production`: a stage is a spelling of an alias."""
    scheme, _, rest = uri.partition(":/")
    name, _, which = rest.partition("/")
    if scheme != "models" or not which or which.isdecimal():
        return uri
    return f"models:/{name}@{alias_of(which) or which}"


@contextmanager
def _tracker(uri: str) -> Iterator[Tracker]:
    if Path(FILE_NAME).is_file():
        project = Project(Path())
        try:
            yield project.tracker
        finally:
            project.close()
        return
    server = os.environ.get("MLFLOW_TRACKING_URI")
    if not server:
        raise InvalidInput(
            f"{uri} is kept in MLflow, and neither is this folder a project nor is MLFLOW_TRACKING_URI set.",
            code="NO_TRACKING",
            remedy=f"Go to the folder of a {FILE_NAME}, or say where MLflow is: MLFLOW_TRACKING_URI=http://…",
        )
    yield Tracker(server, "", SystemClock())
