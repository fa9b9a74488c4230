"""Data-parallel work: the same bytes whoever does it, nothing lost with a process, and errors that say which shard."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from modelyard.core import InvalidInput
from modelyard.data import load_module
from modelyard.execution import DoesNotFit
from modelyard.pipelines import ShardFailed, Shards, data_parallel

functions: Any = load_module(Path(__file__).with_name("functions.py"))  # as files of a project are loaded


@pytest.fixture(scope="module")
def visits() -> pa.Table:
    """2,000 rows of four features and a label that hangs on them."""
    chance = np.random.default_rng(0)
    features = chance.normal(size=(2_000, 4))
    label = features @ [1.0, -2.0, 0.5, 0.0] + chance.logistic(size=2_000) > 0.3
    return pa.table({**{f"f{at}": features[:, at] for at in range(4)}, "label": label.astype(int)})


@pytest.fixture(scope="module")
def numbers() -> pa.Table:
    """1,003 rows of a number and a level."""
    chance = np.random.default_rng(1)
    return pa.table({"x": chance.normal(size=1_003), "kind": chance.choice(["a", "b", "c"], 1_003)})


def quarters() -> pa.Table:
    """400 rows; `x` tells the quarter that they are in."""
    return pa.table({"x": np.repeat([0.0, 1.0, 2.0, 3.0], 100)})


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shards]:
    """Four shards and two processes, for tests that need no more of their own."""
    with data_parallel(quarters(), shards=4, parallel=2, retries=1, folder=tmp_path_factory.mktemp("beside")) as data:
        yield data


def trained(visits: pa.Table, parallel: int) -> tuple[bytes, bytes]:
    """The bytes of a model's weights by L-BFGS; and of those by gradient descent, with random numbers of each shard."""
    with data_parallel(visits, shards=7, parallel=parallel) as data:
        encoded = data.map(functions.encoded)

        def loss(weights: Any) -> tuple[float, Any]:
            value, gradient = encoded.reduce(functions.logistic, {"weights": weights})
            return value, gradient

        found = minimize(loss, np.zeros(5), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
        rounds = encoded.iterate(functions.logistic_state, functions.downhill, np.zeros(5), rounds=6)
        drawn = data.collect(functions.chance)
    return pickle.dumps(found.x), pickle.dumps((rounds, drawn))


def test_weights_are_the_same_to_the_byte_however_many_work_on_them(visits: pa.Table) -> None:
    """One after another in this process, or two at a time in others; and as scikit-learn finds them."""
    alone = trained(visits, 1)
    assert trained(visits, 2) == alone
    features, labels = functions.encoded(visits)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(features, labels)
    np.testing.assert_allclose(pickle.loads(alone[0])[:4], expected.coef_[0], atol=1e-5)
    np.testing.assert_allclose(pickle.loads(alone[0])[4], expected.intercept_[0], atol=1e-5)


def test_rounds_end_when_the_state_is_good_enough(visits: pa.Table) -> None:
    """With the state that was judged, which scikit-learn's optimum is near; else when all were made."""
    with data_parallel(visits, shards=4, parallel=1) as data:
        encoded = data.map(functions.encoded)
        start = np.zeros(5)
        found = encoded.iterate(functions.logistic_state, functions.downhill, start, rounds=500, stop=functions.flat)
        assert found.ended == "it was good enough"
        assert 10 < found.rounds < 500
        assert not start.any()
        cut_short = encoded.iterate(functions.logistic_state, functions.downhill, start, rounds=3, stop=functions.flat)
        assert (cut_short.rounds, cut_short.ended) == (3, "all rounds were made")
    features, labels = functions.encoded(visits)
    expected = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1_000).fit(features, labels)
    np.testing.assert_allclose(found.state[:4], expected.coef_[0], atol=1e-5)


def test_statistics_of_shards_are_those_of_all_rows(numbers: pa.Table) -> None:
    """Sums to rounding, counts exactly, levels that only some shards have, and answers joined as one says, in order."""
    with data_parallel(numbers, parallel=1) as data:
        found = data.reduce(functions.moments)
        x = numbers["x"].to_numpy()
        assert (len(data), found["n"]) == (16, 1_003)
        assert found["sum"] == pytest.approx(x.sum(), abs=1e-9)
        assert (found["histogram"] == np.histogram(x, 20, (-4, 4))[0]).all()
        assert data.reduce(functions.levels) == functions.levels(numbers)
        assert data.reduce(functions.names, combine=functions.followed_by) == functions.names(numbers)
        assert sum(data.collect(functions.count)) == 1_003


def test_shards_are_worked_on_in_other_processes_of_one_thread(beside: Shards) -> None:
    """As many as was said, none of them this one, with a fixed order of hashes."""
    assert set(beside.collect(functions.threads)) == {("1", "0")}
    found = beside.reduce(functions.process, combine=functions.both)
    assert 1 <= len(found) <= 2
    assert os.getpid() not in found


@pytest.mark.parametrize("batch", [1, 64, 1_003])
def test_a_stream_is_cut_alike_whatever_its_batches(numbers: pa.Table, batch: int) -> None:
    """Into shards of so many rows, the last of the rest; a table is cut in the same way."""
    with (
        data_parallel(numbers, shard_rows=100, parallel=1) as table,
        data_parallel(iter(numbers.to_batches(batch)), shard_rows=100, parallel=1) as stream,
    ):
        assert table.collect(functions.count) == stream.collect(functions.count) == [100] * 10 + [3]
        assert table.collect(functions.names) == stream.collect(functions.names)


def test_chance_hangs_on_the_seed_and_the_shard_alone(numbers: pa.Table) -> None:
    """Another shard, another pass and another seed draw other numbers."""
    drawn: list[list[float]] = []
    for seed in (7, 7, 8):
        with data_parallel(numbers, shards=4, parallel=1, seed=seed) as data:
            drawn.append([*data.collect(functions.chance), *data.collect(functions.chance)])
    assert drawn[0] == drawn[1]
    assert len({*drawn[0], *drawn[2]}) == 16


def test_a_lost_process_costs_its_shard_alone(beside: Shards, tmp_path: Path) -> None:
    """Which is called again; the others are called once."""
    assert beside.reduce(functions.marked, {"folder": str(tmp_path), "deadly": 2}) == 400
    marks = (tmp_path / "marks").read_text().splitlines()
    assert len(marks) == 5
    assert set(marks) == {"0.0", "1.0", "2.0", "3.0"}


def test_a_shard_that_is_always_lost_fails_and_says_how_often(
    beside: Shards, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not for ever."""
    with pytest.raises(ShardFailed, match=r"'deadly_at_three' failed on shard 3 of 4 .* SIGKILL \(2 tries\)"):
        beside.reduce(functions.deadly_at_three)
    assert "Shard 3 is tried again" in capfd.readouterr().err


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_function_that_raises_fails_with_the_shard_and_the_reason(
    parallel: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """At once, the traceback on standard error, which is the step's log; and the shards can be used again."""
    with data_parallel(quarters(), shards=4, parallel=parallel) as data:
        with pytest.raises(
            ShardFailed, match=r"'picky' failed on shard [23] of 4 .*ValueError: these rows are no good"
        ):
            data.reduce(functions.picky)
        assert data.reduce(functions.count) == 400
    assert "in picky" in capfd.readouterr().err


def test_large_inputs_and_answers_go_through_files(tmp_path: Path) -> None:
    """More than what a task may be sent, and nothing stays behind."""
    offsets = np.arange(400_000, dtype=float)
    with data_parallel(quarters(), shards=3, parallel=2, folder=tmp_path) as data:
        total = data.reduce(functions.large, {"offsets": offsets})
        assert not list(tmp_path.rglob("*.parcel"))
    assert (total == 3 * offsets + 400).all()
    assert [each.name for each in tmp_path.iterdir()] == ["passes"]


PASSES = """
import sys
from pathlib import Path
import numpy as np
import pyarrow as pa
sys.path.insert(0, sys.argv[1])
import functions
from modelyard.pipelines import data_parallel

rows = pa.table({"x": np.repeat([0.0, 1.0, 2.0, 3.0], 100)})
with data_parallel(rows, shards=4, parallel=1, folder=Path(sys.argv[2])) as data:
    for _ in range(3):
        data.reduce(functions.marked, {"folder": sys.argv[2], "deadly": 7})
"""


def test_a_killed_step_goes_on_with_the_passes_that_are_missing(tmp_path: Path) -> None:
    """The first pass was done; the second, which was cut off in its third shard, begins anew."""
    command = [sys.executable, "-c", PASSES, str(Path(__file__).parent), str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=100).returncode == -9
    with data_parallel(quarters(), shards=4, parallel=1, folder=tmp_path) as data:
        for _ in range(3):
            assert data.reduce(functions.marked, {"folder": str(tmp_path), "deadly": 7}) == 400
    marks = (tmp_path / "marks").read_text().splitlines()
    assert marks == [*["0.0", "1.0", "2.0", "3.0"], *["0.0", "1.0", "2.0"], *["0.0", "1.0", "2.0", "3.0"] * 2]


def test_what_a_power_cut_damaged_is_made_again(tmp_path: Path, numbers: pa.Table) -> None:
    """As if it had never been."""
    for _ in range(2):
        with data_parallel(numbers, parallel=1, folder=tmp_path) as data:
            assert data.reduce(functions.count) == 1_003
        (kept,) = (tmp_path / "passes").iterdir()
        kept.write_bytes(kept.read_bytes()[:-1])


def test_a_function_of_a_notebook_works_in_this_process_alone(numbers: pa.Table, beside: Shards) -> None:
    """The error for others says where to put it."""

    def notebook(shard: pa.Table) -> int:
        return len(shard)

    with data_parallel(numbers, parallel=1) as data:
        assert data.reduce(notebook) == 1_003
    with pytest.raises(InvalidInput, match="cannot be found by other"):
        beside.reduce(notebook)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shards": 0}, "shards=0 is no whole number from 1"),
        ({"shards": 2, "shard_rows": 5}, "Both shards=2 and shard_rows=5"),
        ({"parallel": 0}, "parallel=0 is no whole number from 1"),
        ({"retries": -1}, "retries=-1 is no whole number from 0"),
        ({"resources": {"gbu": 1}}, "resources: 'gbu' is no resource"),
        ({"rows": [1, 2, 3], "shard_rows": 2}, "gives a int where an Arrow batch"),
        ({"rows": iter([])}, "has no length"),
        ({"rows": 3}, "type int cannot be cut"),
        ({"rows": pa.table({"x": pa.array([], pa.int64())})}, "no rows to cut"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    """Before any process starts, and nothing stays behind."""
    options: dict[str, Any] = {"rows": quarters(), "folder": tmp_path, **given}
    with pytest.raises(InvalidInput, match=message):
        data_parallel(options.pop("rows"), **options)
    assert list(tmp_path.iterdir()) == []


def test_answers_that_do_not_fit_each_other_are_refused(numbers: pa.Table) -> None:
    """What they are is told, and how to join them; and so is a function that is none."""
    with data_parallel(numbers, shards=2, parallel=1) as data:
        with pytest.raises(InvalidInput, match=r"cannot be added: list and list") as caught:
            data.reduce(functions.names)
        assert "combine=" in caught.value.remedy
        with pytest.raises(InvalidInput, match="is no plain function"):
            data.reduce(print)
        with pytest.raises(InvalidInput, match="rounds=0"):
            data.iterate(functions.count, functions.downhill, 0, rounds=0)


def test_gpus_are_those_that_are_visible(numbers: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call sees one of its own; what is not there is refused, and how to give it is said."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(DoesNotFit, match="asks for 1 GPUs, and the step has 0") as caught:
        data_parallel(numbers, resources={"gpu": 1})
    assert "resources={'gpus'" in caught.value.remedy
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8a")
    with data_parallel(numbers, shards=4, resources={"gpu": 1}) as data:
        assert set(data.collect(functions.devices)) <= {"3", "GPU-8a"}


def test_the_shards_are_there_until_they_are_closed(numbers: pa.Table, tmp_path: Path) -> None:
    """Two at once have a folder each."""
    one, two = (data_parallel(numbers, parallel=1, folder=tmp_path) for _ in range(2))
    assert isinstance(one, Shards)
    one.close()
    one.close()
    assert two.reduce(functions.count) == 1_003
    two.close()
    assert not list(tmp_path.glob("shards-*"))
