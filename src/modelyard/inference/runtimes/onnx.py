"""Graphs on ONNX Runtime: one input of encoded rows, one output of scores, one thread."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleDamaged

MODEL_FILE = "model.onnx"
"""The graph, in a bundle's folder."""

EMBEDDING = "onnx-embedding"
"""The runtime of embedders: a graph from tokens to vectors, behind a tokenizer. It predicts nothing; see `Embedder`."""

INPUT, OUTPUT = "X", "scores"
"""What every graph in a bundle takes and gives: float64 (n_rows, n_fields) and (n_rows, n_scores).

Casts, categories and the choice of columns are part of the graph, so that a call is one hop.
"""

GIVEN = "given_"
"""Before the names of inputs that are tensors or text."""


class OnnxRuntime:
    """A session, answering on the calling thread. Sessions may be run from several threads at once."""

    def __init__(self, session: Any) -> None:
        self._run = session.run
        self._outputs = [OUTPUT]

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        # Binding input and output was measured to be slower: 22.7 against 19.7 µs at one row of a forest of 200 trees.
        answer: NDArray[np.float64] = self._run(self._outputs, {INPUT: matrix})[0]
        return answer

    def close(self) -> None:
        """Nothing: a session is memory."""


class OnnxSingleRuntime(OnnxRuntime):
    """A session whose input is float32: rows are rounded as scikit-learn's own trees round them."""

    def scores(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        answer: NDArray[np.float64] = self._run(self._outputs, {INPUT: matrix.astype(np.float32)})[0]
        return answer


class OnnxTensorsRuntime:
    """A session that takes each tensor and text as an input of its own, and `X` where there are other fields.

    An input is called `given_` and the field's name.
    """

    def __init__(self, session: Any) -> None:
        self._run = session.run
        self._outputs = [OUTPUT]
        self._whole = any(each.name == INPUT for each in session.get_inputs())

    def scores(
        self, matrix: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float64]:
        given: dict[str, NDArray[Any]] = {GIVEN + name: array for name, array in (arrays or {}).items()}
        if self._whole:
            given[INPUT] = matrix
        answer: NDArray[np.float64] = self._run(self._outputs, given)[0]
        return answer

    def close(self) -> None:
        """Nothing: a session is memory."""


def load_onnx_tensors(folder: Path) -> OnnxTensorsRuntime:
    """Load `model.onnx` of a bundle with tensors or text; BundleDamaged when the file is no such graph."""
    session = open_session(folder)
    taken = [each.name for each in session.get_inputs()]
    given = [(each.name, each.type) for each in session.get_outputs()]
    if not all(name == INPUT or name.startswith(GIVEN) for name in taken) or given != [(OUTPUT, "tensor(double)")]:
        raise BundleDamaged(
            f"{folder / MODEL_FILE} takes {taken} and gives {given}; a bundle's graph with tensors takes '{INPUT}' and "
            f"inputs named '{GIVEN}…', and gives one tensor(double) '{OUTPUT}'.",
            context={"folder": str(folder)},
            remedy="Build a bundle of the graph: modelyard bundle build --path FILE --sample ROWS.npz -o FOLDER",
        )
    return OnnxTensorsRuntime(session)


def load_onnx(folder: Path, *, single: bool = False) -> OnnxRuntime:
    """Load `model.onnx` of a bundle; `single` marks a graph that takes float32.

    Raises BundleDamaged when the file is no such graph.
    """
    session = open_session(folder)
    taken = [(each.name, each.type) for each in session.get_inputs()]
    given = [(each.name, each.type) for each in session.get_outputs()]
    wanted = "tensor(float)" if single else "tensor(double)"
    if taken != [(INPUT, wanted)] or given != [(OUTPUT, "tensor(double)")]:
        raise BundleDamaged(
            f"{folder / MODEL_FILE} takes {taken} and gives {given}; a bundle's graph takes one {wanted} '{INPUT}' and "
            f"gives one tensor(double) '{OUTPUT}'.",
            context={"folder": str(folder)},
            remedy="Build a bundle of the graph: modelyard bundle build --path FILE --sample ROWS -o FOLDER",
        )
    return OnnxSingleRuntime(session) if single else OnnxRuntime(session)


def open_session(folder: Path) -> Any:
    """`model.onnx` of a bundle on one thread; BundleDamaged when ONNX Runtime cannot load it."""
    import onnxruntime  # noqa: PLC0415 - a server without such models need not load the library

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # it would write to stderr what it also raises
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # By its path, so that a graph can reach no data but files beside it, and the bundle holds no others.
        return onnxruntime.InferenceSession(str(folder / MODEL_FILE), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has an exception for each status, with no common parent but this
        raise BundleDamaged(
            f"{folder / MODEL_FILE} cannot be loaded by ONNX Runtime: {str(error)[:300]}",
            context={"folder": str(folder)},
            remedy="Build the bundle again, with the ONNX Runtime of this machine.",
        ) from error
