"""The floor plan is enforced, and the enforcement bites."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a checkout whose package stands in `folder/src`."""
    program = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command as c; c()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package that a test may spoil."""
    shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_as_they_stand_keep_every_contract(checkout: Path) -> None:
    """No import goes up, no room is unlisted, no heavy package is near the server."""
    result = lint_imports(checkout)
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_upward_import_is_reported(checkout: Path) -> None:
    """A room that looks up breaks the layers."""
    (checkout / "src/modelyard/core/spoiled.py").write_text("import modelyard.rollout\n")
    result = lint_imports(checkout)
    assert result.returncode == 1
    assert "modelyard.core.spoiled -> modelyard.rollout" in result.stdout


def test_an_unlisted_room_is_reported(checkout: Path) -> None:
    """A room that is in no layer has no place in the house."""
    (checkout / "src/modelyard/shed").mkdir()
    (checkout / "src/modelyard/shed/__init__.py").write_text("")
    result = lint_imports(checkout)
    assert result.returncode == 1
    assert "modelyard.shed" in result.stdout


def test_a_heavy_import_inside_a_function_of_a_light_room_is_reported(checkout: Path) -> None:
    """Hiding pandas in a function of `inference` does not keep the data plane light."""
    with (checkout / "src/modelyard/inference/bundle.py").open("a") as module:
        module.write("\n\ndef spoiled() -> None:\n    import pandas\n")
    result = lint_imports(checkout)
    assert result.returncode == 1
    assert "modelyard.inference.bundle -> pandas" in result.stdout


def test_no_contract_ignores_any_import() -> None:
    """Exceptions would be where the cycles begin."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert all("ignore_imports" not in contract for contract in contracts)
    assert len(contracts) == 3
