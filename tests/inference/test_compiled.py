"""Compiled trees: what is refused, where the code is kept, and how a bundle goes on without it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from modelyard.bundling import BuiltBundle, Facts, build_bundle
from modelyard.bundling.converters import treelite_of
from modelyard.bundling.walked import walked
from modelyard.inference import (
    INFO_FILE,
    TREES_FILE,
    BundleDamaged,
    BundleInfo,
    Columns,
    Field,
    ReferenceProfile,
    Signature,
    TreeArrays,
    TreesRuntime,
    compiled_walker,
    load_bundle,
    pack_trees,
    unpack_trees,
    write_bundle,
)
from modelyard.inference.compiled import cache, code, kernel

FIELDS = 3


@pytest.fixture(scope="module")
def forest() -> RandomForestClassifier:
    """A small forest of random rows."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, FIELDS))
    return RandomForestClassifier(10, max_depth=4, random_state=0).fit(rows, rows.sum(axis=1) > 0)


@pytest.fixture(scope="module")
def arrays(forest: RandomForestClassifier) -> TreeArrays:
    """Its trees."""
    return walked(treelite_of(forest), Columns.plain(FIELDS), FIELDS, rounds=True, base=None)


@pytest.fixture(scope="module")
def built(forest: RandomForestClassifier, tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """Its bundle."""
    signature = Signature(tuple(Field(name, "number", nullable=False) for name in "abc"))
    rows = [tuple(each) for each in np.random.default_rng(1).normal(size=(60, FIELDS)).tolist()]
    return build_bundle(
        forest, rows, signature=signature, task="binary", plan={}, profile=ReferenceProfile(0, ()),
        facts=Facts("m", "1", ("0", "1")), into=tmp_path_factory.mktemp("compiled") / "bundle",
    )  # fmt: skip


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has not loaded the code yet."""
    monkeypatch.setattr(code, "_loaded", [])


@pytest.fixture
def not_installed(monkeypatch: pytest.MonkeyPatch, nothing_loaded: None) -> None:
    """A machine without the extra."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in {"numba", "llvmlite"} else find(name, *more)
    )


def test_a_bundle_of_trees_is_answered_by_compiled_code(built: BuiltBundle, forest: RandomForestClassifier) -> None:
    """ONNX Runtime, which it names, is not loaded for it."""
    bundle = load_bundle(built.path, expect=built.digest)
    rows = np.random.default_rng(2).normal(size=(50, FIELDS))
    assert (bundle.runtime, bundle.info.runtime) == ("trees", "onnx")
    assert np.allclose(bundle.scores(rows), forest.predict_proba(rows)[:, 1:], rtol=1e-12)
    assert not bundle.quicken()


@pytest.mark.usefixtures("not_installed")
def test_without_the_extra_a_bundle_runs_on_the_runtime_that_it_names(built: BuiltBundle) -> None:
    """And quickening it changes nothing."""
    bundle = load_bundle(built.path, expect=built.digest)
    assert bundle.runtime == "onnx"
    assert not bundle.quicken()
    assert bundle.predict([[0.0, 0.0, 0.0]]).scores.shape == (1, 1)


@pytest.mark.usefixtures("not_installed")
def test_without_the_extra_a_bundle_is_built_without_trees(forest: RandomForestClassifier, tmp_path: Path) -> None:
    """The report says what to install."""
    signature = Signature(tuple(Field(name, "number", nullable=False) for name in "abc"))
    rows = [tuple(each) for each in np.random.default_rng(1).normal(size=(60, FIELDS)).tolist()]
    made = build_bundle(
        forest, rows, signature=signature, task="binary", plan={}, profile=ReferenceProfile(0, ()),
        facts=Facts("m", "1", ("0", "1")), into=tmp_path / "bundle",
    )  # fmt: skip
    assert "modelyard[fast]" in made.attempts[0].why_not
    assert not (made.path / TREES_FILE).exists()


@pytest.mark.usefixtures("nothing_loaded")
def test_code_that_is_not_there_yet_takes_over_once_it_is(built: BuiltBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle answers the same before and after."""
    with monkeypatch.context() as patched:
        patched.setattr(code, "kept", lambda _: None)
        bundle = load_bundle(built.path, expect=built.digest)
    before = bundle.predict([[0.1, 0.2, 0.3]]).scores
    assert bundle.runtime == "onnx"
    assert bundle.quicken()
    assert bundle.runtime == "trees"
    assert np.allclose(before, bundle.predict([[0.1, 0.2, 0.3]]).scores, rtol=1e-12)


@pytest.mark.usefixtures("nothing_loaded")
def test_trees_that_changed_since_the_bundle_was_loaded_do_not_take_over(
    built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime that was loaded stays."""
    folder = shutil.copytree(built.path, tmp_path / "copy")
    with monkeypatch.context() as patched:
        patched.setattr(code, "kept", lambda _: None)
        bundle = load_bundle(folder, expect=built.digest)
    (folder / TREES_FILE).write_bytes(b"other")
    assert not bundle.quicken()
    assert bundle.runtime == "onnx"


@pytest.mark.usefixtures("nothing_loaded")
def test_code_that_cannot_be_loaded_leaves_the_other_runtime_and_a_warning(
    built: BuiltBundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and neither loaded nor compiled again."""
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    monkeypatch.setattr(code, "kept", lambda _: machine.emit_object(llvm.parse_assembly("")))
    monkeypatch.setattr(code, "_compiled", lambda: pytest.fail("compiled again"))
    bundle = load_bundle(built.path, expect=built.digest)
    assert bundle.runtime == "onnx"
    assert not bundle.quicken()
    assert bundle.predict([[0.1, 0.2, 0.3]]).scores.shape == (1, 1)
    (said,) = caplog.records
    assert (said.levelname, said.message.partition(",")[0]) == ("WARNING", "compiled trees cannot be loaded")


def with_trees(built: BuiltBundle, trees: bytes, into: Path) -> Path:
    """The bundle with other trees, its digests in order."""
    info = msgspec.json.decode((built.path / INFO_FILE).read_bytes(), type=BundleInfo)
    files = {name: (built.path / name).read_bytes() for name in info.files}
    write_bundle(into, info, {**files, TREES_FILE: trees})
    return into


def test_trees_that_are_none_are_refused(built: BuiltBundle, tmp_path: Path) -> None:
    """Though all digests are in order."""
    with pytest.raises(BundleDamaged, match="no archive of arrays"):
        load_bundle(with_trees(built, b"no trees", tmp_path / "bundle"))


def test_trees_of_another_model_are_left_alone(built: BuiltBundle, arrays: TreeArrays, tmp_path: Path) -> None:
    """They answer the golden rows otherwise; the named runtime does not."""
    other = pack_trees(replace(arrays, values=arrays.values * 0.5))
    assert load_bundle(with_trees(built, other, tmp_path / "bundle")).runtime == "onnx"


def test_trees_for_other_rows_are_refused(built: BuiltBundle, arrays: TreeArrays, tmp_path: Path) -> None:
    """They would read beyond the rows."""
    shape = arrays.shape.copy()
    shape[kernel.FIELDS] += 1
    with pytest.raises(BundleDamaged, match="4 fields instead of 3"):
        load_bundle(with_trees(built, pack_trees(replace(arrays, shape=shape)), tmp_path / "bundle"))


def test_trees_of_another_version_are_left_alone(
    built: BuiltBundle, arrays: TreeArrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer Modelyard's bundle is served by the runtime that it names."""
    with monkeypatch.context() as patched:
        patched.setattr("modelyard.inference.compiled.arrays.TREES_VERSION", 99)
        newer = pack_trees(arrays)
    assert load_bundle(with_trees(built, newer, tmp_path / "bundle")).runtime == "onnx"


def test_rows_of_another_width_are_refused_before_they_are_walked(arrays: TreeArrays) -> None:
    """Machine code would read beyond them."""
    walk = compiled_walker()
    assert walk is not None
    with pytest.raises(ValueError, match="3 fields"):
        TreesRuntime(arrays, walk).scores(np.zeros((2, 2)))


def changed(values: Any, at: Any, value: float) -> Any:
    """A copy with another value in one place."""
    made = values.copy()
    made[at] = value
    return made


@pytest.mark.parametrize(
    ("name", "at", "value", "problem"),
    [
        ("shape", kernel.LINK, 9, "no such link"),
        ("shape", kernel.TREES, 11, "trees has the shape"),
        ("shape", kernel.LANES, -1, "shape is none"),
        ("shape", kernel.ROWS, 12, "number of rows together"),
        ("shape", kernel.ROWS, 1 << 40, "number of rows together"),
        ("shape", kernel.LEVELS, 7, "tables"),
        ("shape", kernel.VECTOR, 2, "not those of the leaves"),
        ("lanes", (0, kernel.SOURCE), 3, "a field that there is not"),
        ("lanes", (0, kernel.TABLE), 0, "a table that there is not"),
        ("lanes", (0, kernel.CODED), 1, "number for a category"),
        ("nodes", (0, 1), (10**6) << 32, "leads to one that there is not"),
        ("nodes", (0, 1), (1 << 32) + 99 * 8, "a lane that there is not"),
        ("nodes", (0, 1), (1 << 32) + 3, "a lane that there is not"),
        ("nodes", (-1, 1), 1, "a set that there is not"),
        ("nodes", (0, 1), -1, "leads to one that there is not"),
        ("trees", (0, kernel.ROOT), 10**6, "begins at a node"),
        ("trees", (0, kernel.TARGET), 1, "begins at a node"),
        ("trees", (0, kernel.DEPTH), 1 << 40, "no such depth"),
        ("values", 0, np.nan, "no value"),
        ("scale", 0, np.inf, "no value"),
    ],
)
def test_arrays_that_machine_code_would_leave_are_refused(
    arrays: TreeArrays, name: str, at: Any, value: float, problem: str
) -> None:
    """Nothing but what was checked is ever walked."""
    if name == "shape" and at == kernel.LEVELS:
        broken = replace(arrays, tables=np.zeros((1, 3)), shape=changed(arrays.shape, at, value))
    else:
        broken = replace(arrays, **{name: changed(getattr(arrays, name), at, value)})
    with pytest.raises(ValueError, match=problem):
        unpack_trees(pack_trees(broken))


def test_arrays_of_another_type_or_missing_ones_are_refused(arrays: TreeArrays, tmp_path: Path) -> None:
    """An archive that somebody else wrote."""
    with pytest.raises(ValueError, match="values holds float32"):
        unpack_trees(pack_trees(replace(arrays, values=arrays.values.astype(np.float32))))
    np.savez(tmp_path / "a.npz", version=np.array(1), shape=arrays.shape)
    with pytest.raises(ValueError, match="lacks lanes, stages"):
        unpack_trees((tmp_path / "a.npz").read_bytes())


def test_code_is_kept_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that nobody else can write to, whatever this process's mask."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = os.umask(0)
    try:
        cache.keep("name", b"code")
    finally:
        os.umask(before)
    place = tmp_path / "modelyard" / "compiled"
    assert (place.stat().st_mode & 0o777, (place / "name").stat().st_mode & 0o777) == (0o700, 0o600)
    assert cache.kept("name") == b"code"
    assert cache.kept("other") is None


@pytest.mark.parametrize("what", ["folder", "file"])
def test_code_that_others_can_write_to_is_never_loaded(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write it runs code as this user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.keep("name", b"code")
    place = tmp_path / "modelyard" / "compiled"
    (place if what == "folder" else place / "name").chmod(0o777)
    assert cache.kept("name") is None


def test_a_link_to_code_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lead to another's file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.keep("name", b"code")
    place = tmp_path / "modelyard" / "compiled"
    (place / "other").symlink_to(place / "name")
    assert cache.kept("other") is None


def test_half_a_file_of_code_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would crash whoever loads it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.keep("name", b"code" * 100)
    place = tmp_path / "modelyard" / "compiled" / "name"
    place.write_bytes(place.read_bytes()[:-1])
    assert cache.kept("name") is None


def test_where_nothing_can_be_kept_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is then compiled by each process for itself."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    cache.keep("name", b"code")
    assert cache.kept("name") is None
    with cache.turn():
        assert cache.folder() is None


@pytest.mark.usefixtures("nothing_loaded")
def test_a_compiler_that_fails_leaves_bundles_as_they_are(
    built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on with the runtime that they name."""

    def fail(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "compiler")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", fail)
    bundle = load_bundle(built.path, expect=built.digest)
    assert not bundle.quicken()
    assert bundle.runtime == "onnx"


def test_loading_compiled_trees_needs_neither_their_compiler_nor_another_runtime(built: BuiltBundle) -> None:
    """A server must start fast and stay small."""
    assert compiled_walker() is not None
    script = (
        "import sys; from modelyard.inference import load_bundle; "
        f"assert load_bundle({str(built.path)!r}).runtime == 'trees'; "
        "sys.exit(sorted({'numba', 'onnxruntime', 'treelite', 'sklearn'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    assert (done.returncode, done.stderr) == (0, "")
