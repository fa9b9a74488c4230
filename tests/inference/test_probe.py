"""A bundle whose model crashes, hangs or eats memory is refused by a process of its own; ours goes on."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier

from modelyard.bundling import BuiltBundle
from modelyard.bundling.converters import treelite_of
from modelyard.inference import (
    BundleDamaged,
    BundleInfo,
    BundleRefused,
    Field,
    Golden,
    ReferenceProfile,
    Signature,
    probe_bundle,
    write_bundle,
)

FEATURES = 3


def bundle_of(model: dict[str, bytes], runtime: str, into: Path) -> Path:
    """A bundle with digests in order, whatever its model file holds."""
    signature = Signature(tuple(Field(f"f{index}", "number") for index in range(FEATURES)))
    info = BundleInfo(2, "bad", "1", "regression", runtime, signature, {}, {})
    golden = Golden(tuple((float(row), 1.0, 2.0) for row in range(4)), ((0.0,),) * 4)
    files = {
        **model,
        "golden.json": json.dumps({"rows": golden.rows, "scores": golden.scores}).encode(),
        "profile.json": json.dumps({"rows": ReferenceProfile(0, ()).rows, "columns": []}).encode(),
    }
    write_bundle(into, info, files)
    return into


def graph(nodes: list[Any], constants: list[Any]) -> dict[str, bytes]:
    """An ONNX model in a bundle's shape."""
    made = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, FEATURES])],
        [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, None)],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return {"model.onnx": model.SerializeToString()}


def crashing(into: Path) -> Path:
    """A forest that reads a feature far behind the end of a row."""
    matrix = np.random.default_rng(0).normal(size=(100, FEATURES))
    forest = treelite_of(RandomForestClassifier(3, random_state=0).fit(matrix, matrix[:, 0] > 0))
    for index in range(forest.num_tree):
        tree = forest.get_tree_accessor(index)
        places = tree.get_field("split_index").copy()
        tree.set_field("split_index", np.where(places >= 0, 2**30, places).astype(np.int32))
    file = into.with_suffix(".model")
    forest.serialize(str(file))
    return bundle_of({"model.treelite": file.read_bytes()}, "treelite", into)


def hanging(into: Path) -> Path:
    """A graph that counts to 2^62."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    # What the loop hands out is nothing, so its result is tied to the scores by a value that it carries.
    body.input.append(helper.make_tensor_value_info("carried", TensorProto.DOUBLE, None))
    body.node.append(helper.make_node("Add", ["carried", "carried"], ["next"]))
    body.output.append(helper.make_tensor_value_info("next", TensorProto.DOUBLE, None))
    loop = helper.make_node("Loop", ["rounds", "yes", "X"], ["scores"], body=body)
    constants = [
        numpy_helper.from_array(np.array(2**62, dtype=np.int64), "rounds"),
        numpy_helper.from_array(np.array([True]).reshape(()), "yes"),
    ]
    return bundle_of(graph([loop], constants), "onnx", into)


def hungry(into: Path) -> Path:
    """A graph that asks for 2.4 GB."""
    fill = helper.make_node(
        "ConstantOfShape", ["shape"], ["big"], value=numpy_helper.from_array(np.array([1.0], dtype=np.float64))
    )
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    added = helper.make_node("Add", ["X", "total"], ["scores"])
    shape = numpy_helper.from_array(np.array([300_000_000], dtype=np.int64), "shape")
    return bundle_of(graph([fill, total, added], [shape]), "onnx", into)


def test_a_good_bundle_passes_and_takes_no_time(built: BuiltBundle) -> None:
    """Half a second for the interpreter and the runtime; the limit here leaves room for a busy machine."""
    began = time.monotonic()
    probe_bundle(built.path, expect=built.digest)
    assert time.monotonic() - began < 5


def test_a_crash_is_told_by_its_signal(tmp_path: Path) -> None:
    """The model file is read well and then kills its process."""
    with pytest.raises(BundleRefused, match=r"refused: its process was ended by SIGSEGV"):
        probe_bundle(crashing(tmp_path / "bundle"))


def test_a_bundle_that_never_answers_is_ended(tmp_path: Path) -> None:
    """After the time it was given, and its process with it."""
    folder = hanging(tmp_path / "bundle")
    began = time.monotonic()
    with pytest.raises(BundleRefused, match=r"not loaded and answering within 1\.5 s"):
        probe_bundle(folder, seconds=1.5)
    assert time.monotonic() - began < 10
    assert str(folder) not in running()


def running() -> str:
    """The command lines of this machine's processes."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            found.append((entry / "cmdline").read_text() if entry.name.isdigit() else "")
        except OSError:
            continue
    return "\n".join(each for each in found if "modelyard.inference.probe" in each)


def test_a_bundle_that_eats_memory_is_refused(tmp_path: Path) -> None:
    """2.4 GB where 2 GB are allowed."""
    with pytest.raises(BundleRefused, match=r"2048 MB of memory"):
        probe_bundle(hungry(tmp_path / "bundle"), memory_mb=2048)


def test_a_wrong_answer_is_refused_with_its_reason(tmp_path: Path) -> None:
    """Golden rows are replayed in the child too."""
    identity = graph([helper.make_node("ReduceSum", ["X", "axes"], ["scores"], keepdims=1)], [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    ])  # fmt: skip
    with pytest.raises(BundleRefused, match="answers its golden rows"):
        probe_bundle(bundle_of(identity, "onnx", tmp_path / "bundle"))


def test_a_changed_file_is_found_before_anything_is_started(built: BuiltBundle, tmp_path: Path) -> None:
    """Digests come first."""
    folder = bundle_of({"model.onnx": b"x"}, "onnx", tmp_path / "bundle")
    (folder / "model.onnx").write_bytes(b"y")
    with pytest.raises(BundleDamaged, match="has changed"):
        probe_bundle(folder)


def test_the_child_sees_no_secret_of_its_parent(built: BuiltBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is what an interpreter needs."""
    monkeypatch.setenv("MODELYARD_SECRET", "s3cret")
    seen: list[dict[str, str]] = []
    real = subprocess.Popen

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(options["env"])
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", watched)
    probe_bundle(built.path)
    assert "PATH" in os.environ
    assert "MODELYARD_SECRET" not in seen[0]


def test_the_child_can_be_started_by_hand(built: BuiltBundle) -> None:
    """`python -m modelyard.inference.probe DIR` ends with 0, and says nothing."""
    command = [
        sys.executable,
        "-m",
        "modelyard.inference.probe",
        str(built.path),
        "--memory-mb",
        "4096",
        "--seconds",
        "20",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
