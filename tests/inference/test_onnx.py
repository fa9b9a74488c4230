"""ONNX graphs in bundles: one input, one output, one thread, nothing else."""

import threading
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from modelyard.inference import RUNTIMES, BundleDamaged


def write(folder: Path, *, taken: int = TensorProto.DOUBLE, name: str = "X") -> Path:
    """A graph that doubles its input."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", [name, name], ["sum"]),
            helper.make_node("Cast", ["sum"], ["scores"], to=TensorProto.DOUBLE),
        ],
        "double",
        [helper.make_tensor_value_info(name, taken, [None, 1])],
        [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, [None, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder


def test_rows_go_in_and_scores_come_out_as_float64(tmp_path: Path) -> None:
    """One and many rows, also columns of a wider matrix."""
    runtime = RUNTIMES["onnx"](write(tmp_path))
    wide = np.arange(6.0).reshape(3, 2)
    answer = runtime.scores(wide[:, :1])
    assert answer.dtype == np.float64
    assert answer.tolist() == [[0.0], [4.0], [8.0]]


def test_the_single_runtime_rounds_first(tmp_path: Path) -> None:
    """What float32 cannot tell apart gets the same answer."""
    runtime = RUNTIMES["onnx-float32"](write(tmp_path, taken=TensorProto.FLOAT))
    assert runtime.scores(np.array([[1.0 + 1e-12]])).tolist() == [[2.0]]


def test_threads_may_share_a_runtime(tmp_path: Path) -> None:
    """Each gets its own answers."""
    runtime = RUNTIMES["onnx"](write(tmp_path))
    wrong: list[float] = []

    def ask(value: float) -> None:
        wrong.extend(value for _ in range(200) if runtime.scores(np.array([[value]]))[0, 0] != 2 * value)

    threads = [threading.Thread(target=ask, args=(float(each),)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("taken", "name", "runtime"),
    [(TensorProto.FLOAT, "X", "onnx"), (TensorProto.DOUBLE, "X", "onnx-float32"), (TensorProto.DOUBLE, "Y", "onnx")],
)
def test_a_graph_of_another_shape_is_refused(taken: int, name: str, runtime: str, tmp_path: Path) -> None:
    """With what it takes, and what it should."""
    with pytest.raises(BundleDamaged, match="a bundle's graph takes one"):
        RUNTIMES[runtime](write(tmp_path, taken=taken, name=name))


def test_bytes_that_are_no_graph_are_refused(tmp_path: Path) -> None:
    """By the library's own words."""
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleDamaged, match="cannot be loaded by ONNX Runtime"):
        RUNTIMES["onnx"](tmp_path)
