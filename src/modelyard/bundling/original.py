"""The model itself, asked the way it was trained: what every conversion is compared with."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput, ModelyardError
from modelyard.inference import LARGEST_SINGLE, Field, Signature, Task, data_frame

from .python_folder import PythonFolder
from .torch_module import TorchModule

Matrix = NDArray[np.float64]

_LIBRARIES = ("lightgbm", "xgboost", "sklearn")


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX model as it came, without a library that could be asked instead."""

    data: bytes


@dataclass(frozen=True)
class Original:
    """A trained model with the signature of its rows. Asking it costs what its library costs."""

    model: Any
    signature: Signature
    task: Task

    def scores(self, matrix: Matrix) -> Matrix:
        """Its answers to encoded rows, in a bundle's shape: (n, 1) for binary and regression, (n, classes) else.

        Raises what the model raises for rows that it refuses.
        """
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of unknown levels, overflow and names: hard rows are meant to be hard
            answers = np.asarray(self._answers(matrix), dtype=np.float64).reshape(len(matrix), -1)
        return answers[:, 1:] if self.task == "binary" and answers.shape[1] == 2 else answers

    def answers(self, matrix: Matrix) -> Matrix:
        """Its scores for rows that it must be able to answer: InvalidInput says why it cannot."""
        try:
            scores = self.scores(matrix)
        except ModelyardError:
            raise
        except Exception as error:  # the model's library may raise anything; the caller learns what
            raise InvalidInput(
                f"The model cannot answer its own sample rows: {str(error).partition(chr(10))[0][:300]}",
                code="MODEL_REFUSES_SAMPLE",
                remedy="Give rows with the columns, in the order, that the model was trained on. Code of your own that "
                "picks columns by their names must tell them, as scikit-learn's does: feature_names_in_, set by fit.",
            ) from error
        if bad := int((~np.isfinite(scores)).any(axis=1).sum()):
            raise InvalidInput(
                f"The model answers {bad} of its {len(matrix)} sample rows with no number.",
                code="MODEL_REFUSES_SAMPLE",
                remedy="Give rows like those it was trained on.",
            )
        return scores

    def _answers(self, matrix: Matrix) -> Any:
        library = library_of(self.model)
        if isinstance(self.model, OnnxFile):
            return _ask_onnx(self.model, matrix, self.signature)
        if isinstance(self.model, PythonFolder | TorchModule):
            return self.model.ask(matrix, self.signature, self.task)
        if library == "xgboost" and type(self.model).__name__ == "Booster":
            return _ask_booster(self.model, matrix)
        rows = self.frame(matrix) if reads_names(self.model) else matrix
        if self.task == "regression" or type(self.model).__name__ == "Booster":
            return self.model.predict(rows)
        if not hasattr(self.model, "predict_proba"):
            raise InvalidInput(
                f"{type(self.model).__name__} gives no probabilities.",
                code="NO_PROBABILITIES",
                remedy="Calibrate it (sklearn.calibration.CalibratedClassifierCV), and build the bundle of that.",
            )
        return self.model.predict_proba(rows)

    @property
    def parted(self) -> tuple[Callable[[Matrix], Matrix], Any] | None:
        """Of a pipeline, what stands before its last step, as a function of encoded rows, and the last step."""
        if not is_pipeline(self.model) or len(self.model.steps) < 2:
            return None
        front = self.model[:-1]

        def transform(matrix: Matrix) -> Matrix:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of levels unseen in training
                made = front.transform(self.frame(matrix) if reads_names(self.model) else matrix)
            return np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)

        return transform, self.model.steps[-1][1]

    def frame(self, matrix: Matrix) -> Any:
        """Encoded rows as the data frame that the model was trained on: levels as strings, NaN for missing.

        scikit-learn gets columns of pandas' string type, LightGBM, XGBoost and histogram trees of its category type.
        """
        return data_frame(matrix, self.signature.fields, coded=wants_codes(self.model))

    def refuses(self, rows: Matrix) -> bool:
        """Whether the model raises for these rows instead of answering, or answers with no number."""
        try:
            return not np.isfinite(self.scores(rows)).all()
        except Exception:  # whatever its library raises is a refusal
            return True


def library_of(model: Any) -> str:
    """The library that a model's class, or one that it extends, comes from."""
    homes = [each.__module__.partition(".")[0] for each in type(model).__mro__]
    return next((each for each in homes if each in _LIBRARIES), homes[0])


def is_pipeline(model: Any) -> bool:
    """Whether a model is a chain of steps."""
    return type(model).__name__ == "Pipeline" and library_of(model) == "sklearn"


def reads_names(model: Any) -> bool:
    """Whether the model was trained on a data frame with named columns, and so wants one."""
    if library_of(model) == "lightgbm":
        booster = getattr(model, "booster_", model)
        return bool(booster.pandas_categorical)
    if library_of(model) == "xgboost":
        return False  # asked by position and by code: its own frames would be coded again
    return getattr(model, "feature_names_in_", None) is not None


def tightened(original: Original, matrix: Matrix) -> Signature:
    """The signature that lets in only what the model answers.

    Where the model refuses missing values the field is no longer nullable, and an unseen level that would become one is
    an error; where it refuses infinities they are, and where it refuses what float32 cannot hold, that is. `matrix`
    holds rows that the model does answer.
    """
    base = next((row[None] for row in matrix if not original.refuses(row[None])), matrix[:1])
    fields = list(original.signature.fields)
    holes = [at for at, spec in enumerate(fields) if spec.may_miss]
    for at in _refused(original, base, holes, np.nan):
        unknown = "error" if fields[at].kind == "category" else fields[at].unknown
        fields[at] = msgspec.structs.replace(fields[at], nullable=False, unknown=unknown)
    numbers = [at for at, spec in enumerate(fields) if spec.kind == "number"]
    for at in _refused(original, base, [each for each in numbers if not fields[each].finite], np.inf):
        fields[at] = msgspec.structs.replace(fields[at], finite=True)
    for at in _refused(original, base, [each for each in numbers if fields[each].finite], 1e300):
        fields[at] = msgspec.structs.replace(fields[at], largest=LARGEST_SINGLE)
    return Signature(tuple(fields))


def _refused(original: Original, base: Matrix, places: Sequence[int], value: float) -> list[int]:
    """The places at which the model refuses a value: asked at once, and one by one only when it refuses."""
    if not places:
        return []
    together = base.copy()
    together[0, list(places)] = value
    if not original.refuses(together):
        return []
    return [at for at in places if original.refuses(_with(base, at, value))]


def _with(base: Matrix, at: int, value: float) -> Matrix:
    row = base.copy()
    row[0, at] = value
    return row


def wants_codes(model: Any) -> bool:
    """Whether a model that reads data frames wants levels as pandas' categories rather than as strings."""
    return library_of(model) in {"lightgbm", "xgboost"} or type(model).__name__.startswith("HistGradientBoosting")


def _ask_booster(model: Any, matrix: Matrix) -> Any:
    import xgboost  # noqa: PLC0415 - only its own models need it

    coded = model.feature_types and "c" in model.feature_types
    rows = xgboost.DMatrix(
        matrix,
        feature_names=model.feature_names,
        feature_types=model.feature_types,
        enable_categorical=bool(coded),
    )
    return model.predict(rows)


def _ask_onnx(model: OnnxFile, matrix: Matrix, signature: Signature) -> Any:
    """Run the file itself, input by input, as its author would."""
    import onnxruntime  # noqa: PLC0415 - only such files need it

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.data, options, providers=["CPUExecutionProvider"])
    taken = session.get_inputs()
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    if len(taken) == 1 and taken[0].name not in signature.names:
        given = {taken[0].name: matrix.astype(kinds[taken[0].type])}
    else:
        given = {each.name: _fed(each, matrix, signature, kinds) for each in taken}
    answer = session.run(None, given)[-1]
    if isinstance(answer, np.ndarray):
        return answer
    raise InvalidInput(
        f"The last output of the ONNX file, '{session.get_outputs()[-1].name}', is no tensor.",
        code="NO_PROBABILITIES",
        remedy="Convert the model with zipmap=False.",
    )


def _fed(taken: Any, matrix: Matrix, signature: Signature, kinds: dict[str, Any]) -> NDArray[Any]:
    spec: Field = signature.fields[signature.names.index(taken.name)]
    column = matrix[:, [signature.names.index(taken.name)]]
    if taken.type != "tensor(string)":
        return column.astype(kinds[taken.type])
    levels = [None if np.isnan(each) else spec.categories[int(each)] for each in column[:, 0]]
    return np.array(["" if each is None else each for each in levels], dtype=object).reshape(-1, 1)
