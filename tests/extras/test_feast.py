"""A real Feast repository on our stores, in an environment of its own: Feast holds pandas below the version here."""

import json
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contracts.redis_server import serve

from modelyard.features import Definitions, load_definitions, select
from modelyard.features.history import historical_features

REPOSITORY = Path(__file__).parents[2]
REPO = Path(__file__).parent / "feast_repo"
pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]  # the first one makes the environment


@pytest.fixture(scope="module")
def environment() -> Path:
    """The folder of an environment with Feast and this package, resolved together by pip; made once."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install("feast-plugin", ["feast==0.67.0", "-e", str(REPOSITORY)]))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A copy of the repository."""
    return Path(shutil.copytree(REPO, tmp_path / "repo", ignore=shutil.ignore_patterns("__pycache__", "data")))


@pytest.fixture
def redis() -> Iterator[str]:
    """The address of a server."""
    yield from serve()


def feast(environment: Path, *arguments: str) -> dict[str, Any]:
    """What `with_feast.py` says with these arguments; the test fails when it ends with an error."""
    command = [str(environment / "bin" / "python"), str(Path(__file__).parent / "with_feast.py"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def test_history_through_feast_equals_the_oracle(environment: Path, repo: Path) -> None:
    """Three views at once: rows, order and duplicates kept; ttl, ties, nulls, creation, renamed columns."""
    told = feast(environment, "history", str(repo), "100")
    assert told["cases"] == 100
    assert told["compared"] > 1500


@pytest.mark.parametrize("how", ["latest", "all"])
def test_what_is_materialized_and_read_through_feast_equals_the_oracle(environment: Path, repo: Path, how: str) -> None:
    """Whether Feast takes the newest rows itself or has them taken: ttl at each read, backfills, all else it does."""
    told = feast(environment, "online", str(repo), how)
    assert told["compared"] == 63
    assert_others(told)


def test_the_same_on_a_server_of_valkey(environment: Path, repo: Path, redis: str) -> None:
    """Two lines of the settings."""
    settings = repo / "feature_store.yaml"
    store = "modelyard.features.feast.ModelyardOnlineStore"
    settings.write_text(settings.read_text().replace(f"{{type: {store}}}", f'{{type: {store}, address: "{redis}"}}'))
    assert redis in settings.read_text()
    assert_others(feast(environment, "online", str(repo), "latest"))


def assert_others(told: dict[str, Any]) -> None:
    """Push, types, on-demand views, a view that grew, reads of everybody, and writes."""
    assert told["pushed"] == {"customer_id": [1, 77], "number": [5, 6], "word": ["p", None]}
    many = told["many"]
    assert many["small"] == [pytest.approx(0.1), None]
    assert many["when"] == ["2026-03-29T00:59:59+00:00", None]
    assert many["vector"] == [[0.5, 1.5], None]
    assert many["words"][0] == ["x", "é"]
    online, offline = told["service"]["online"], told["service"]["offline"]
    assert {name: online[name] for name in offline} == offline
    assert told["widened"]["after"] == told["widened"]["before"] != [None]
    assert told["widened"]["more"] == [None]
    assert told["snapshot"] == [1, 2, 3, 4, 2**53 + 1]
    assert told["written"] == {"more": 1, "found": [2.5]}


def test_imported_definitions_give_the_same_values(environment: Path, repo: Path, tmp_path: Path) -> None:
    """Turned into ours, read by our own API: what Feast gave, on-demand views included; the rest is reported."""
    feast(environment, "saved", str(repo))
    module = tmp_path / "ours" / "features.py"
    told = import_feast(repo, "--python", str(environment / "bin" / "python"), "-o", str(module), "--json")
    reported = {(each["kind"], each["name"], each["outcome"]) for each in told["report"]}
    assert ("on-demand view", "hashing", "note") in reported
    assert ("feature view", "many", "note") in reported
    assert told["feast"] == "0.67.0"
    definitions = load_definitions(module)
    expected = pq.read_table(repo / "history.parquet")
    asked = ["customer_id", "shop", "event_timestamp", "pages"]
    features = [f"{view}:{name}" for view, name in of_history()]
    found = historical_features(
        expected.select(asked), select(definitions, features), event_time="event_timestamp", as_known=False
    ).table
    for _, name in of_history():
        assert same(found.column(name), expected.column(name)), name
    assert_labels(definitions)


def of_history() -> list[tuple[str, str]]:
    """Views and features of what `with_feast.py` saves."""
    return [
        ("stats", "number"), ("stats", "word"), ("plain", "amount"), ("plain", "flag"), ("pair", "pair_value"),
        ("together", "sum"), ("together", "rate"),
    ]  # fmt: skip


def same(ours: pa.ChunkedArray, feasts: pa.ChunkedArray) -> bool:
    """Equal values, whatever their width; pandas writes what is missing as NaN."""
    one, other = ([None if str(each) == "nan" else each for each in column.to_pylist()] for column in (ours, feasts))
    return one == other


def assert_labels(definitions: Definitions) -> None:
    """The words beside a definition came along."""
    stats = definitions.view("stats")
    assert (stats.tags, stats.owner) == ({"team": "fraud"}, "ann@example.com")
    assert stats.entities[0].description == "Who buys."


def import_feast(*arguments: object) -> dict[str, Any]:
    """What the command prints."""
    program = Path(shutil.which("modelyard") or REPOSITORY / ".venv/bin/modelyard")
    command = [str(program), "features", "import-feast", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def test_what_is_wrong_with_a_repository_is_said(environment: Path, repo: Path) -> None:
    """An option that there is not, an address that is none, rows and sources that cannot be: with the remedy."""
    told = feast(environment, "wrong", str(repo))
    assert "redis://" in told["address"]
    assert "as_known" in told["option"]
    assert "Run it, and give the rows as a DataFrame" in told["query"]
    assert "never equal" in told["types"]
    assert "has no column 'amount'" in told["column"]
    assert "cannot be read" in told["file"]
    assert max(map(len, told.values())) < 900
