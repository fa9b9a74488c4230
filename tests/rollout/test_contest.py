"""Ten processes promote at once, again and again: one production version, and a history without gaps."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from modelyard.bundling import BuiltBundle

REPOSITORY = Path(__file__).parents[2]


def contest(folder: Path, built: BuiltBundle, rounds: int, url: str | None = None) -> None:
    """Hold one; it checks every round itself."""
    words = [folder, built.path, built.digest, rounds, 10, *([url] if url else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.rollout.contest", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert told["audited"] == sum(told["moves"].values()) >= rounds


def database(postgres: str) -> str:
    """A fresh database of a real PostgreSQL."""
    name = f"contest_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres.replace("/postgres?", f"/{name}?").replace("postgresql://", "postgresql+psycopg://")


def test_on_sqlite(tmp_path: Path, built: BuiltBundle) -> None:
    """20 rounds, by turns of a model that nothing follows and of one that a deployment serves."""
    contest(tmp_path, built, 20)


@pytest.mark.xdist_group("postgres")
@pytest.mark.parametrize("rounds", [4, pytest.param(20, marks=pytest.mark.long)])
def test_on_postgresql(tmp_path: Path, built: BuiltBundle, postgres: str, rounds: int) -> None:
    """The same; its commits cost more, so that 20 rounds are for the long tests."""
    contest(tmp_path, built, rounds, database(postgres))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_200_rounds_on_sqlite(tmp_path: Path, built: BuiltBundle) -> None:
    """For long."""
    contest(tmp_path, built, 200)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.xdist_group("postgres")
def test_200_rounds_on_postgresql(tmp_path: Path, built: BuiltBundle, postgres: str) -> None:
    """For long."""
    contest(tmp_path, built, 200, database(postgres))
