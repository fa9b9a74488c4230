"""The steps of the server's image, in a bare virtual environment: what is pinned is enough to serve, and no more."""

import re
import subprocess
import venv
from pathlib import Path

import pytest
from tests.export.subjects import EXAMPLES
from tests.serving.test_container import ask, served

from modelyard.bundling import BuiltBundle

RENDERED = EXAMPLES / "flights" / "rendered" / "docker"
TRAINING = ("mlflow", "pandas", "pyarrow", "duckdb", "sklearn", "sqlalchemy")
"""What a server image is small without."""

pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment in which the Dockerfile's `pip install` lines were run, and nothing else."""
    folder = tmp_path_factory.mktemp("image")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    dockerfile = (RENDERED / "server.Dockerfile").read_text()
    lines = re.findall(r"/venv/bin/(pip install [^\n&]*?)\s*(?:\\|&&|$)", dockerfile, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        arguments = [_here(each) for each in line.split() if each not in ("--find-links", "/context/wheels")]
        subprocess.run([str(python), "-m", *arguments], check=True, capture_output=True)
    return python


def _here(word: str) -> str:
    """A word of the Dockerfile as it is outside an image; Modelyard is this checkout."""
    given = {"/tmp/requirements.txt": str(RENDERED / "requirements-server.txt")}
    return given.get(word, str(EXAMPLES.parent) if "MODELYARD" in word else word)


def test_a_server_of_the_pinned_requirements_answers(image: Path, built: BuiltBundle, tmp_path: Path) -> None:
    """As in a container, and as SageMaker asks."""
    environment = {"MODEL_URI": str(built.path), "STATE_FOLDER": str(tmp_path / "state"), "BEHIND_GATEWAY": "true"}
    with served(environment, image) as port:
        status, answer = ask(port, "/predict", {"inputs": [{"amount": 120.0, "country": "de"}]})
        assert (status, answer.get("model_version")) == (200, "0"), answer
        assert ask(port, "/ping")[0] == 200


def test_nothing_that_trains_is_in_it(image: Path) -> None:
    """None of the packages that train or track."""
    code = f"from importlib.util import find_spec; print([each for each in {TRAINING} if find_spec(each)])"
    found = subprocess.run([str(image), "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
