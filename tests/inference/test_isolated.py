"""Models in worker processes of their own: faithful, and when they crash, hang or eat memory nobody else does."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.neighbors import KNeighborsClassifier

from modelyard.core import Digest
from modelyard.inference import (
    RUNTIMES,
    BundleRefused,
    IsolatedModelFailed,
    IsolationLimits,
    PythonNotPermitted,
    load_bundle,
    probe_bundle,
    verify_bundle,
)
from modelyard.inference.isolated.wire import ANSWER, SCORES
from modelyard.inference.runtimes.isolated import IsolatedRuntime

from .bad_bundles import FEATURES, bundle_of, python_bundle

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own, when they are asked as scripts ask them

ROWS = np.random.default_rng(0).normal(size=(300, FEATURES))
LABELS = (ROWS.sum(axis=1) > 0).astype(int)

MOODY = """
import ctypes, os, time

class Model:
    def predict(self, rows):
        mood = rows[0]["f0"]
        if mood == 1: os._exit(7)
        if mood == 2: time.sleep(60)
        if mood == 3: self.kept = bytearray(8 * 10**9)
        if mood == 4: raise ValueError("no such row")
        if mood == 5: return [0.0] * (len(rows) + 1)
        if mood == 6: ctypes.string_at(0)
        if mood == 7: return [[float(key in os.environ) for key in ("MODELYARD_SECRET", "PATH")]] * len(rows)
        if mood == 8: print("a word on standard output"); os.write(1, b"and bytes")
        if mood == 9: ctypes.PyDLL(None).sleep(60)
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""
"""Code whose first field says what it does."""

Started = Callable[..., IsolatedRuntime]


@pytest.fixture
def moody(tmp_path: Path) -> Iterator[Started]:
    """Starts workers of the moody model, and ends them."""
    folder = python_bundle(tmp_path / "moody", MOODY)
    made: list[IsolatedRuntime] = []

    def start(call_seconds: float = 5.0) -> IsolatedRuntime:
        runtime = RUNTIMES["python"](folder, IsolationLimits(2000, call_seconds=call_seconds))
        assert isinstance(runtime, IsolatedRuntime)
        made.append(runtime)
        return runtime

    yield start
    for each in made:
        each.close()


def row(mood: float, answer: float = 0.5) -> np.ndarray:
    """One row that asks for something."""
    return np.array([[mood, answer, 0.0]])


def alive(pid: int | None) -> bool:
    """Whether a process runs: those that ended and were not yet waited for do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lightgbm_answers_as_it_does_here(tmp_path: Path) -> None:
    """To the last bit, also for more rows than one call takes; and the worker ends when it is closed."""
    model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1, n_jobs=1).fit(ROWS, LABELS)
    model.booster_.save_model(str(tmp_path / "model.txt"))
    runtime = RUNTIMES["lightgbm"](tmp_path)
    many = np.tile(ROWS, (9, 1))
    assert np.array_equal(runtime.scores(many)[:, 0], np.asarray(model.predict_proba(many))[:, 1])
    assert runtime.scores(ROWS[:0]).shape == (0, 1)
    assert isinstance(runtime, IsolatedRuntime)
    pid = runtime.pid
    assert alive(pid)
    runtime.close()
    assert not alive(pid)


def test_xgboost_stops_at_its_best_round_as_it_does_here(tmp_path: Path) -> None:
    """Early stopping is told in the file."""
    model = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=3, n_jobs=1, learning_rate=1.0)
    model.fit(ROWS[:200], LABELS[:200], eval_set=[(ROWS[200:], LABELS[200:])], verbose=False)
    model.get_booster().save_model(tmp_path / "model.ubj")
    runtime = RUNTIMES["xgboost"](tmp_path)
    expected = model.predict_proba(ROWS)[:, 1]
    assert not np.array_equal(model.get_booster().predict(xgboost.DMatrix(ROWS)), expected)
    assert np.array_equal(runtime.scores(ROWS)[:, 0], expected)
    runtime.close()


def test_a_pickled_estimator_answers_as_it_does_here(tmp_path: Path) -> None:
    """Neighbours weighted by distance, which no faster runtime carries."""
    model = KNeighborsClassifier(5, weights="distance").fit(ROWS, LABELS)
    joblib.dump(model, tmp_path / "model.joblib")
    fields = [{"name": f"f{index}", "kind": "number"} for index in range(FEATURES)]
    told = {"kind": "estimator", "task": "binary", "fields": fields, "call": "predict_proba"}
    (tmp_path / "python.json").write_text(json.dumps(told))
    runtime = RUNTIMES["python"](tmp_path)
    fresh = np.random.default_rng(1).normal(size=(50, FEATURES))
    assert np.array_equal(runtime.scores(fresh), model.predict_proba(fresh)[:, 1:])
    runtime.close()


@pytest.mark.parametrize(
    ("mood", "why", "message"),
    [
        (1, "ended", "ended with 7"),
        (2, "deadline", "did not answer within 1 s"),
        (3, "memory", "more than 2000 MB"),
        (6, "ended", "SIGSEGV"),
        (9, "deadline", "did not answer within 1 s"),
    ],
    ids=["exit", "sleep", "memory", "segfault", "native hang"],
)
def test_a_row_that_takes_the_worker_down_fails_alone(moody: Started, mood: float, why: str, message: str) -> None:
    """The row's caller is told; the next row is answered by a new worker, the old one is gone."""
    runtime = moody(call_seconds=1.0)
    before = runtime.pid
    with pytest.raises(IsolatedModelFailed, match=message) as failed:
        runtime.scores(row(mood))
    assert failed.value.context["why"] == why
    assert not alive(before)
    assert runtime.scores(row(0, 0.25)).tolist() == [[0.25]]
    assert runtime.pid != before


@pytest.mark.parametrize(("mood", "message"), [(4, "ValueError: no such row"), (5, r"shape \(2,\) for 1 rows")])
def test_a_row_that_raises_leaves_the_worker_as_it_is(moody: Started, mood: float, message: str) -> None:
    """An exception is an answer too."""
    runtime = moody()
    before = runtime.pid
    with pytest.raises(IsolatedModelFailed, match=message):
        runtime.scores(row(mood))
    assert runtime.scores(row(0, 0.25)).tolist() == [[0.25]]
    assert runtime.pid == before


def test_what_a_model_prints_is_no_answer(moody: Started, capfd: pytest.CaptureFixture[str]) -> None:
    """It goes to standard error, also when it is written past Python."""
    assert moody().scores(row(8, 0.75)).tolist() == [[0.75]]
    assert "and bytes" in capfd.readouterr().err


def test_a_model_that_ends_again_and_again_is_left_alone_for_a_while(moody: Started) -> None:
    """Two failures are followed by a new worker at once; after the third, calls fail without one being started."""
    runtime = moody()
    for _ in range(3):
        with pytest.raises(IsolatedModelFailed, match="ended with 7"):
            runtime.scores(row(1))
    with pytest.raises(IsolatedModelFailed, match="ended 3 times in a row") as waiting:
        runtime.scores(row(0))
    assert (waiting.value.context["why"], runtime.pid) == ("waiting", None)


def test_the_worker_sees_no_secret_and_no_open_file_of_ours(
    moody: Started, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its environment is what an interpreter needs; of descriptors it has its pipes and standard error."""
    monkeypatch.setenv("MODELYARD_SECRET", "s3cret")
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        runtime = moody()
    assert runtime.scores(row(7)).tolist() == [[0.0, 1.0]]
    opened = [each.readlink().as_posix() for each in Path(f"/proc/{runtime.pid}/fd").iterdir()]
    assert not any("ours" in each for each in opened)
    assert b"s3cret" not in Path(f"/proc/{runtime.pid}/environ").read_bytes()
    assert Path(f"/proc/{runtime.pid}/cwd").readlink() != Path.cwd()


def test_a_worker_ends_when_nobody_holds_its_runtime(tmp_path: Path) -> None:
    """As a bundle does when a server has replaced it and the last request has gone."""
    runtime = RUNTIMES["python"](python_bundle(tmp_path / "moody", MOODY))
    assert isinstance(runtime, IsolatedRuntime)
    pid = runtime.pid
    assert alive(pid)
    del runtime
    assert not alive(pid)


@pytest.mark.parametrize("mood", [0, 9], ids=["idle", "hanging in native code with the interpreter's lock"])
def test_a_worker_ends_with_its_parent(mood: float, tmp_path: Path) -> None:
    """Killed with SIGKILL, which leaves the parent no moment to see to it."""
    folder = python_bundle(tmp_path / "moody", MOODY)
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from modelyard.inference import RUNTIMES\n"
        f"runtime = RUNTIMES['python'](Path({str(folder)!r}))\n"
        "print(runtime.pid, flush=True)\n"
        f"runtime.scores(np.array([[{mood}, 0.0, 0.0]]))\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if mood:
            until(lambda: "S" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not alive(pid))


def test_this_process_loads_none_of_the_libraries(tmp_path: Path) -> None:
    """It asks LightGBM, scikit-learn and pandas for scores and has none of them."""
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(ROWS, LABELS)
    model.booster_.save_model(str(tmp_path / "model.txt"))
    program = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from modelyard.inference import RUNTIMES\n"
        f"runtime = RUNTIMES['lightgbm'](Path({str(tmp_path)!r}))\n"
        "assert runtime.scores(np.zeros((1, 3))).shape == (1, 1)\n"
        "print(sorted({'lightgbm', 'xgboost', 'sklearn', 'pandas', 'scipy', 'joblib', 'mlflow'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_python_runs_only_when_its_digest_is_permitted(tmp_path: Path) -> None:
    """Neither loaded nor tried; nothing of it is started, and the error says how it is permitted."""
    trace = tmp_path / "trace"
    code = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n" + MOODY
    folder = python_bundle(tmp_path / "bundle", code)
    _, digest = verify_bundle(folder)
    for refuse in (load_bundle, probe_bundle):
        with pytest.raises(PythonNotPermitted, match="not permitted") as refused:
            refuse(folder)
        assert f"--allow-python {digest}" in refused.value.remedy
        assert "security.python_bundles" in refused.value.remedy
        with pytest.raises(PythonNotPermitted):
            refuse(folder, allow_python=[Digest("0" * 64)])
    assert not trace.exists()
    bundle = load_bundle(folder, allow_python=[digest])
    assert trace.exists()
    assert bundle.isolated
    assert bundle.predict([{"f0": 0.0, "f1": 4.0, "f2": 0.0}]).scores.tolist() == [[4.0]]
    bundle.close()
    probe_bundle(folder, allow_python=[digest])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nos._exit(3)", "ended with 3"),
        ("import time\ntime.sleep(60)", "within 3 s"),
        ("kept = bytearray(8 * 10**9)\ndef load(folder): ...", "2000 MB of memory"),
        ("def load(folder):\n    raise RuntimeError('no weights')", "no weights"),
        ("x = 1", "has no attribute 'load'"),
    ],
    ids=["exit", "hang", "memory", "raise", "no load"],
)
def test_python_that_cannot_be_loaded_is_refused_with_its_reason(code: str, reason: str, tmp_path: Path) -> None:
    """By the process that tries it, within its limits."""
    folder = python_bundle(tmp_path / "bundle", code)
    _, digest = verify_bundle(folder)
    with pytest.raises(BundleRefused, match=reason):
        probe_bundle(folder, allow_python=[digest], memory_mb=2000, seconds=3)


def test_closing_ends_a_call_that_hangs(moody: Started) -> None:
    """A server that stops does not wait for a deadline."""
    import threading

    runtime = moody(call_seconds=30.0)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            runtime.scores(row(2))
        except IsolatedModelFailed as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)  # until it is under way; were it not, closing would refuse it just so
    runtime.close()
    asking.join(5)
    assert len(failed) == 1
    with pytest.raises(IsolatedModelFailed, match="was closed"):
        runtime.scores(row(0))


def test_a_worker_that_writes_garbage_is_ended(tmp_path: Path) -> None:
    """A model that finds the pipe and writes to it is believed nothing."""
    lost = ANSWER.pack(SCORES, 10**9, 2**31)
    code = (
        "import os\n"
        "class Model:\n"
        "    def predict(self, rows):\n"
        "        for number in range(3, 20):\n"
        f"            try: os.write(number, {lost!r})\n"
        "            except OSError: pass\n"
        "        return [0.0] * len(rows)\n"
        "def load(folder): return Model()\n"
    )
    runtime = RUNTIMES["python"](python_bundle(tmp_path / "bundle", code), IsolationLimits(call_seconds=3.0))
    with pytest.raises(IsolatedModelFailed, match="no answer"):
        runtime.scores(row(0))
    runtime.close()


def test_a_bundle_of_code_is_refused_when_it_answers_otherwise(tmp_path: Path) -> None:
    """Golden rows are replayed in the worker, which is ended then."""
    code = "class Model:\n    def predict(self, rows): return [9.0] * len(rows)\ndef load(folder): return Model()\n"
    folder = python_bundle(tmp_path / "bundle", code)
    _, digest = verify_bundle(folder)
    with pytest.raises(BundleRefused, match="answers its golden rows"):
        probe_bundle(folder, allow_python=[digest])


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    """A name with `..` ends up inside."""
    folder = python_bundle(tmp_path / "bundle", MOODY)
    with zipfile.ZipFile(folder / "model.zip", "a") as archive:
        archive.writestr("../../escaped", "x")
    runtime = RUNTIMES["python"](folder)
    assert isinstance(runtime, IsolatedRuntime)
    place = Path(f"/proc/{runtime.pid}/cwd").readlink()
    assert (place / "model" / "escaped").exists()
    assert not (place.parent / "escaped").exists()
    runtime.close()
    assert not place.exists()


def test_native_bundles_need_no_permission(tmp_path: Path) -> None:
    """A library's own format is data: whoever wrote it, no code of theirs runs."""
    target = np.zeros(len(ROWS))
    booster = lightgbm.train({"objective": "regression", "verbosity": -1}, lightgbm.Dataset(ROWS, target), 1)
    folder = bundle_of({"model.txt": booster.model_to_string().encode()}, "lightgbm", tmp_path / "bundle")
    bundle = load_bundle(folder)
    assert bundle.isolated
    bundle.close()
