"""Ten processes promote at once, again and again: one production version, and a history without gaps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle

from ..databases import careless, new_database

REPOSITORY = Path(__file__).parents[2]


def contest(folder: Path, built: BuiltBundle, rounds: int, url: str | None) -> dict[str, int]:
    """Hold one, which checks every round itself; returns how often each model's alias moved."""
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
    moves: dict[str, int] = told["moves"]
    assert told["audited"] == sum(moves.values())
    return moves


@pytest.mark.parametrize(
    "database_server", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
def test_one_production_version_after_every_round(
    tmp_path: Path, built: BuiltBundle, database_server: str | None
) -> None:
    """20 rounds, by turns of a model that nothing follows and of one that a deployment serves."""
    url = careless(database_server, new_database(database_server)) if database_server else None
    assert sum(contest(tmp_path, built, 20, url).values()) >= 20


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_and_after_each_of_200(tmp_path: Path, built: BuiltBundle, database_server: str | None) -> None:
    """For long, and with every commit on the disk."""
    moves = contest(tmp_path, built, 200, new_database(database_server) if database_server else None)
    sys.stdout.write(f"{moves}\n")
    assert sum(moves.values()) >= 200
