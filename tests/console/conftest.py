"""A project that has lived a little, copied for who changes it; and its console."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelyard.console import application
from modelyard.core import ManualClock
from modelyard.wiring import Project

from ..conftest import NOON
from .serving import serving
from .site import RULES, Browser, live_a_while, opened


@dataclass(frozen=True)
class Lived:
    """A project's folder, and the time it is there."""

    folder: Path
    clock: ManualClock


@dataclass(frozen=True)
class Console:
    """A console that can be asked, and the project behind it."""

    project: Project
    clock: ManualClock
    browser: Browser


@pytest.fixture(scope="session")
def lived(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """The trained project after two weeks: windows, an alert, a canary under way."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("lived") / "shop"))
    with (folder / "modelyard.yaml").open("a") as file:
        file.write(RULES)
    clock = ManualClock(NOON)
    project = opened(folder, clock)
    live_a_while(project, clock)
    project.close()
    return Lived(folder, clock)


def console_of(folder: Path, clock: ManualClock) -> Iterator[Console]:
    """The console of a project."""
    project = opened(folder, clock)
    with serving(application(project)) as port:
        yield Console(project, clock, Browser(port))
    project.close()


@pytest.fixture(scope="module")
def console(lived: Lived) -> Iterator[Console]:
    """The console of the lived project, for those who only look."""
    yield from console_of(lived.folder, lived.clock)


@pytest.fixture
def own(lived: Lived, tmp_path: Path) -> Iterator[Console]:
    """The console of a copy, for those who change something."""
    folder = Path(shutil.copytree(lived.folder, tmp_path / "shop"))
    yield from console_of(folder, ManualClock(lived.clock.now()))


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Iterator[Console]:
    """The console of a project in which nothing has happened but one training."""
    folder = Path(shutil.copytree(trained, tmp_path / "shop"))
    yield from console_of(folder, ManualClock(NOON))
