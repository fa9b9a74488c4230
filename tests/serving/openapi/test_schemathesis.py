"""Schemathesis reads the document and tries to catch the server out: https://schemathesis.readthedocs.io.

Every one of its checks runs on every path; `schemathesis.toml` names the exceptions, each with its reason.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ..harness import Server

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def caught_out(server: Server, folder: Path, *options: str, seconds: float) -> int:
    """How many requests Schemathesis made without finding anything wrong; AssertionError shows what it found."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    url = f"http://127.0.0.1:{server.port}/openapi.json"
    command = [program, "--no-color", f"--config-file={CONFIGURATION}", "run", url, "--warnings=off", "--seed=1"]
    result = subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert result.returncode == 0, result.stdout[-8000:]
    made = re.search(r"(\d+) generated, \1 passed", result.stdout)
    assert made is not None, result.stdout[-2000:]
    return int(made[1])


@pytest.mark.long
def test_schemathesis_finds_nothing(alone: Server, tmp_path: Path) -> None:
    """Of paths that differ only by naming the deployment or version, the shortest; the others run in `make soak`."""
    only = "--exclude-path-regex=^/deployments/|/versions/|/labels/"
    assert caught_out(alone, tmp_path, only, "--max-examples=5", seconds=100) > 1000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_schemathesis_finds_nothing_in_a_long_time(alone: Server, tmp_path: Path) -> None:
    """Every path, and two hundred bodies each."""
    assert caught_out(alone, tmp_path, "--max-examples=200", seconds=1700) > 10_000


@pytest.mark.long
def test_schemathesis_finds_nothing_in_features_that_are_computed(on_demand: Server, tmp_path: Path) -> None:
    """Of a model whose entities come with fields of the request."""
    only = "--include-path=/features"
    assert caught_out(on_demand, tmp_path, only, "--max-examples=40", seconds=100) > 50
