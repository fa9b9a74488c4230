"""Projects to render, for the tests of several targets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from modelyard.export import Subject
from modelyard.operations.export import subject_of
from modelyard.wiring import Project

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def project_of(folder: Path) -> Iterator[Project]:
    """A project, closed again; the environment of whoever runs the tests says nothing."""
    project = Project(folder, environment={})
    try:
        yield project
    finally:
        project.close()


def flights() -> Subject:
    """The flights."""
    with project_of(EXAMPLES / "flights") as project:
        return subject_of(project)


def changed(folder: Path, sections: dict[str, object], template: str = "minimal") -> Subject:
    """A template's project with other sections, written into a folder."""
    home = EXAMPLES / template
    for file in home.glob("*.py"):
        (folder / file.name).write_text(file.read_text())
    settings = yaml.safe_load((home / "modelyard.yaml").read_text())
    for name, section in sections.items():
        settings[name] = section
    (folder / "modelyard.yaml").write_text(yaml.safe_dump(settings))
    with project_of(folder) as project:
        return subject_of(project)
