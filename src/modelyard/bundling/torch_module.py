"""PyTorch modules: asked as they are, and exported to ONNX."""

import inspect
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput
from modelyard.inference import Signature, Task

_OPSET = 17
_SUMS = 1e-3


class TorchModule:
    """A module that takes float32 rows (n, f) and gives values, or probabilities of the second class or of each."""

    def __init__(self, module: Any) -> None:
        self.module = module.eval() if hasattr(module, "eval") else module

    def ask(self, matrix: NDArray[np.float64], signature: Signature, task: Task) -> NDArray[np.float64]:  # noqa: ARG002
        """Its answers. InvalidInput when those of a classifier are no probabilities."""
        import torch  # noqa: PLC0415 - only such models need it

        with torch.no_grad(), np.errstate(over="ignore"):
            answers = self.module(torch.tensor(matrix.astype(np.float32).tolist(), dtype=torch.float32))
        scores = np.array(answers.double().tolist()).reshape(len(matrix), -1)
        if task != "regression":
            _require_probabilities(scores)
        return scores

    def outputs(self, fields: int) -> int:
        """How many columns it gives: a binary classifier may give one or two."""
        import torch  # noqa: PLC0415 - as above

        with torch.no_grad():
            return int(self.module(torch.zeros(2, fields)).reshape(2, -1).shape[1])

    def exported(self, fields: int) -> bytes:
        """The module as an ONNX file: one input `X` of float32 rows, one output."""
        import torch  # noqa: PLC0415 - as above

        made = BytesIO()
        plain = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own use of its library
            torch.onnx.export(
                self.module,
                (torch.zeros(2, fields),),
                made,
                input_names=["X"],
                output_names=["scores"],
                dynamic_axes={"X": {0: "rows"}, "scores": {0: "rows"}},
                opset_version=_OPSET,
                **plain,
            )
        return made.getvalue()


def read_torch(path: Path) -> TorchModule:
    """A TorchScript file, or a whole module that was pickled (which runs its author's code)."""
    import torch  # noqa: PLC0415 - as above

    try:
        return TorchModule(torch.jit.load(str(path), map_location="cpu"))
    except RuntimeError:  # no TorchScript: a pickle
        loaded = torch.load(str(path), map_location="cpu", weights_only=False)
    if not callable(loaded):
        raise InvalidInput(
            f"{path} holds a {type(loaded).__name__}, not a module: weights alone say nothing of what to do with them.",
            code="UNREADABLE_MODEL",
            remedy="Save the whole module: torch.jit.script(module).save(FILE), or torch.save(module, FILE).",
        )
    return TorchModule(loaded)


def _require_probabilities(scores: NDArray[np.float64]) -> None:
    fine = scores[np.isfinite(scores).all(axis=1)]
    within = bool(((fine >= 0) & (fine <= 1)).all())
    if within and (fine.shape[1] == 1 or bool((np.abs(fine.sum(axis=1) - 1) < _SUMS).all())):
        return
    raise InvalidInput(
        "The module gives numbers that are no probabilities.",
        code="NO_PROBABILITIES",
        remedy="End it with torch.nn.Sigmoid() or torch.nn.Softmax(dim=1): "
        "torch.nn.Sequential(module, torch.nn.Sigmoid()).",
    )
