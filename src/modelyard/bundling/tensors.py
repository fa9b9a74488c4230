"""ONNX models over tensors and text: their inputs, their bundle, and the proof that it answers as the file does."""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import InvalidInput, Value
from modelyard.inference import (
    EXPLAIN_FILE,
    EXPLAIN_VERSION,
    FORMAT_VERSION,
    GIVEN,
    GOLDEN_ARRAYS,
    PROFILE_FILE,
    RUNTIMES,
    BundleInfo,
    Encoded,
    ExplainInfo,
    Field,
    Signature,
    Task,
    TensorEncoder,
    load_bundle,
    pack_golden,
    worst_error,
    write_bundle,
)
from modelyard.inference.records import DType

from .build import BUILD_FILE, GOLDEN_ROWS, Attempt, BuiltBundle, Facts, Progress
from .errors import NoFaithfulRuntime
from .graphs import Graph, Steps, graph_of
from .original import OnnxFile, is_pipeline
from .parity import floor_of, same_classes
from .profile import build_profile

Sample = Mapping[str, NDArray[Any]]
"""Arrays by input, (n_rows, …); strings as objects."""

RUNTIME = "onnx-tensors"
MOST_ROWS = 1000
"""So many rows of a sample are looked at, and fewer where they are big."""

_SAMPLE_BYTES, _GOLDEN_BYTES = 256 << 20, 8 << 20
_TEXT_OPERATORS = {"StringNormalizer", "TfIdfVectorizer", "Tokenizer", "StringSplit", "StringConcat", "RegexFullMatch"}
_HARD_TEXTS = ("", " ", "a", "?!", "äöü ß é 漢字 🙂", "word " * 200, "UPPER lower", "tab\tline\nend")
_SHOUTED = 100
_BATCHES = (1, 10, 100)


@dataclass(frozen=True)
class Taken:
    """An input of a graph: its element type as ONNX numbers it, and its shape, None where it is free."""

    name: str
    kind: int
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class TensorModel:
    """An ONNX file whose inputs are more than columns of numbers and categories.

    `pipeline` is scikit-learn's, of one text, where the file was made of it.
    """

    file: OnnxFile
    inputs: tuple[Taken, ...]
    pipeline: Any = None

    @property
    def original(self) -> Any:
        """What the bundle has to answer as."""
        return self.file if self.pipeline is None else self.pipeline

    @cached_property
    def _session(self) -> Any:
        import onnxruntime  # noqa: PLC0415 - only such files need it

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        return onnxruntime.InferenceSession(self.file.data, options, providers=["CPUExecutionProvider"])

    def raw_scores(self, encoded: Encoded, signature: Signature) -> Any:
        """What the file itself gives as its last output, fed as its author would."""
        arrays = dict(encoded.arrays or {})
        if self.pipeline is not None:
            (texts,) = arrays.values()
            ask = getattr(self.pipeline, "predict_proba", self.pipeline.predict)
            return np.asarray(ask(texts.ravel().tolist()))
        for at, spec in enumerate(signature.plain.fields):
            taken = next(each for each in self.inputs if each.name == spec.name)
            arrays[spec.name] = (
                encoded.matrix[:, at].astype(_numpy(taken.kind)).reshape(-1, *[1] * (len(taken.shape) - 1))
            )
        return self._session.run(None, arrays)[-1]


def tensor_model(model: Any) -> TensorModel | None:
    """The model as one over tensors, when its graph says so; None for all others.

    It does when an input has more than two dimensions, or several columns beside other inputs; when it has elements
    that no column has; or when strings go into operators that take text apart.
    """
    if _takes_text(model):
        return _of_pipeline(model)
    if not isinstance(model, OnnxFile):
        return None
    import onnx  # noqa: PLC0415 - only building needs it

    proto = onnx.load_model_from_string(model.data)
    constants = {each.name for each in proto.graph.initializer}
    inputs = tuple(_taken(each) for each in proto.graph.input if each.name not in constants)
    operators = {node.op_type for node in proto.graph.node}
    if any(_is_tensor(each, alone=len(inputs) == 1) for each in inputs) or (
        operators & _TEXT_OPERATORS and any(each.kind == onnx.TensorProto.STRING for each in inputs)
    ):
        return TensorModel(model, inputs)
    return None


def tensor_signature(model: TensorModel, sample: Sample) -> Signature:
    """The signature of a model over tensors: fixed shapes, those of the sample where the graph leaves them free."""
    return Signature(tuple(_field(each, sample) for each in model.inputs))


def tensor_rows(signature: Signature, sample: Sample) -> list[tuple[Value, ...]]:
    """Rows as callers would send them; InvalidInput when the sample does not fit the signature."""
    counts = {name: len(sample[name]) for name in signature.names}
    if len(set(counts.values())) != 1 or not min(counts.values()):
        raise _unfit(f"It has rows: {', '.join(f'{count} of {name}' for name, count in counts.items())}.")
    total = sum(int(np.asarray(sample[name]).nbytes) for name in signature.names)
    most = max(1, min(MOST_ROWS, *counts.values(), _SAMPLE_BYTES * min(counts.values()) // max(1, total)))
    columns = [_column(spec, np.asarray(sample[spec.name])[:most]) for spec in signature.fields]
    return list(zip(*columns, strict=True))


def build_tensor_bundle(
    model: TensorModel,
    rows: Sequence[Sequence[Value]],
    *,
    signature: Signature,
    task: Task,
    facts: Facts,
    into: Path,
    classes_of: Callable[[int], tuple[str, ...]],
    measure: Callable[[NDArray[np.float64], tuple[str, ...]], dict[str, float]] = lambda *_: {},
    progress: Progress = lambda _: None,
) -> BuiltBundle:
    """Build the bundle of a model over tensors or text at `into`, which must not exist.

    The graph is kept, with the plain columns fed in front and a bundle's scores at its end. Its answers must be those
    of the file itself on these rows and on hard ones, and a row must get the same answer alone and among others, since
    rows of several requests run together. `classes_of` names classes by how many scores there are; `measure` gives
    metrics of scores. NoFaithfulRuntime says what differs; InvalidInput what the model is not.
    """
    encode = TensorEncoder(signature)
    progress("asking the model for its answers")
    encoded = encode(rows)
    given = _asked(model, encoded, signature)
    expected = _scores(given, task)
    _check_alone(model, encoded, signature, expected, task, facts.tolerance)
    classes = classes_of(given.shape[1]) if task != "regression" else ()
    data = _file(model, signature, task, given.shape[1])
    floor = floor_of(task, expected)
    hard, answers = _hard(model, rows, encode, signature, task, expected.shape[1])
    progress(f"trying {RUNTIME}")
    attempt = _tried(data, [encoded, *hard], [expected, *answers], task, floor, facts.tolerance)
    if attempt.why_not:
        raise NoFaithfulRuntime(
            f"No runtime carries this model: {RUNTIME}: {attempt.why_not}.",
            context={"model": facts.model, "kind": "ONNX"},
            remedy="Where scores may differ by more, raise the tolerance.",
        )
    shown = expected[:, 0] if expected.shape[1] == 1 else expected.max(axis=1)
    performance = measure(expected, classes)
    plain = signature.plain
    importance = {name: 1 / len(plain.names) for name in plain.names}
    kept = _golden_rows(rows)
    told = ExplainInfo(EXPLAIN_VERSION, why_not="it takes tensors or text, which have no columns to name")
    content = {
        "model.onnx": data,
        GOLDEN_ARRAYS: pack_golden(signature, rows[:kept], expected[:kept]),
        PROFILE_FILE: msgspec.json.encode(
            build_profile(plain, encoded.matrix, shown, importance=importance, performance=performance)
        ),
        EXPLAIN_FILE: msgspec.json.encode(told),
        BUILD_FILE: msgspec.json.encode([attempt]),
    }
    progress(f"writing the bundle with {RUNTIME}")
    info = _info(signature, task, classes, performance, facts, floor)
    digest = write_bundle(into, info, content)
    load_bundle(into, expect=digest).close()
    return BuiltBundle(into, digest, (attempt,))


def _info(
    signature: Signature, task: Task, classes: tuple[str, ...], metrics: dict[str, float], facts: Facts, floor: float
) -> BundleInfo:
    request = [{"name": each.name, "kind": each.kind, "required": True} for each in signature.fields]
    return BundleInfo(
        format=FORMAT_VERSION,
        model=facts.model,
        version=facts.version,
        task=task,
        runtime=RUNTIME,
        signature=signature,
        plan={"request": request, "views": []},
        files={},
        classes=classes,
        metrics=metrics,
        tolerance=facts.tolerance,
        floor=floor,
    )


def _taken(value: Any) -> Taken:
    kind = value.type.tensor_type
    shape = tuple(each.dim_value if each.HasField("dim_value") else None for each in kind.shape.dim)
    return Taken(value.name, int(kind.elem_type), shape)


def _takes_text(model: Any) -> bool:
    return is_pipeline(model) and type(model.steps[0][1]).__module__ == "sklearn.feature_extraction.text"


def _of_pipeline(model: Any) -> TensorModel:
    from onnx import TensorProto  # noqa: PLC0415 - see above
    from skl2onnx import to_onnx  # noqa: PLC0415 - see above
    from skl2onnx.common.data_types import StringTensorType  # noqa: PLC0415 - see above

    # Other locales are not on every machine. Where one would lower a letter that this does not, parity shows it.
    options: dict[Any, dict[str, Any]] = {type(model.steps[0][1]): {"locale": "C"}}
    if hasattr(model, "predict_proba"):
        options[id(model.steps[-1][1])] = {"zipmap": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the converter's own use of its libraries
            made = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options=options)
    except Exception as error:  # a library that cannot convert may raise anything
        raise NoFaithfulRuntime(
            f"This pipeline over text cannot be converted to ONNX: {' '.join(str(error).split())[:300]}",
            remedy="Vectorizers of words and characters with scikit-learn's own tokens are converted.",
        ) from error
    file = OnnxFile(made.SerializeToString())
    return TensorModel(file, (Taken("text", TensorProto.STRING, (None, 1)),), model)


def _is_tensor(taken: Taken, *, alone: bool) -> bool:
    from onnx import TensorProto  # noqa: PLC0415 - see above

    if len(taken.shape) > 2:
        return True
    columns = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING)
    if taken.kind not in columns:
        return True
    return len(taken.shape) == 2 and taken.shape[1] != 1 and not alone


def _numpy(kind: int) -> np.dtype[Any]:
    from onnx import helper  # noqa: PLC0415 - see above

    return np.dtype(helper.tensor_dtype_to_np_dtype(kind))


def _field(taken: Taken, sample: Sample) -> Field:
    """Text, a number where the input is one float a row, else a tensor."""
    from onnx import TensorProto  # noqa: PLC0415 - see above

    if taken.name not in sample:
        raise _unfit(f"It lacks the model's input '{taken.name}'; it has {', '.join(sorted(sample)) or 'nothing'}.")
    if not taken.shape or taken.shape[0] is not None:
        raise InvalidInput(
            f"The model's input '{taken.name}' takes exactly {taken.shape[0] if taken.shape else 'one'} row a call.",
            code="FIXED_BATCH",
            remedy="Export the model with a dynamic first axis (PyTorch: dynamic_axes; tf2onnx: a batch of None).",
        )
    given = np.asarray(sample[taken.name])
    single = all(side in (1, None) for side in taken.shape[1:]) and len(taken.shape) <= 2
    if taken.kind == TensorProto.STRING:
        if not single:
            raise InvalidInput(
                f"The model's input '{taken.name}' takes several strings a row.",
                code="UNKNOWN_INPUT",
                remedy="One string a row is taken: join them.",
            )
        return Field(taken.name, "text", nullable=False, shape=(1,) * (len(taken.shape) - 1))
    if single and taken.kind in (TensorProto.FLOAT, TensorProto.DOUBLE) and given.size == len(given):
        return Field(taken.name, "number", nullable=False, minimum=float(given.min()), maximum=float(given.max()))
    dtype = _numpy(taken.kind).name
    if dtype not in get_args(DType):
        raise InvalidInput(
            f"The model's input '{taken.name}' has elements of {dtype}.",
            code="UNKNOWN_INPUT",
            remedy=f"Inputs can be: {', '.join(get_args(DType))}, and strings.",
        )
    shape = given.shape[1:]
    fits = len(shape) == len(taken.shape) - 1
    if not fits or any(side not in (None, have) for side, have in zip(taken.shape[1:], shape, strict=True)):
        raise _unfit(f"Its '{taken.name}' has rows of shape {list(shape)}; the model takes {list(taken.shape[1:])}.")
    if given.dtype != np.dtype(dtype):
        raise _unfit(f"Its '{taken.name}' has elements of {given.dtype}; the model takes {dtype}.")
    return Field(taken.name, "tensor", nullable=False, dtype=dtype, shape=shape)  # type: ignore[arg-type]  # seen above


def _column(spec: Field, array: NDArray[Any]) -> list[Value]:
    if spec.kind == "tensor":
        return list(array)
    flat: list[Value] = array.reshape(len(array)).tolist()
    if spec.kind == "text" and not all(isinstance(each, str) for each in flat):
        raise _unfit(f"Its '{spec.name}' is not all strings.")
    return flat


def _unfit(what: str) -> InvalidInput:
    return InvalidInput(
        f"The sample does not fit the model. {what}",
        code="UNREADABLE_SAMPLE",
        remedy="Save one array an input, by its name: numpy.savez('rows.npz', image=images).",
    )


def _asked(model: TensorModel, encoded: Encoded, signature: Signature) -> NDArray[np.float64]:
    """The file's answers to rows that it must be able to answer, (n, scores) float64."""
    try:
        given = model.raw_scores(encoded, signature)
    except Exception as error:  # the library may raise anything; the caller learns what
        raise InvalidInput(
            f"The model cannot answer its own sample rows: {str(error).partition(chr(10))[0][:300]}",
            code="MODEL_REFUSES_SAMPLE",
            remedy="Give rows like those it was trained on.",
        ) from error
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "fiu" or len(given) != len(encoded.matrix):
        raise InvalidInput(
            "The last output of the ONNX file is no tensor of scores, a row of them for each row.",
            code="NO_PROBABILITIES",
            remedy="Make class probabilities or the value the last output; convert pipelines with zipmap=False.",
        )
    return given.astype(np.float64).reshape(len(given), -1)


def _scores(given: NDArray[np.float64], task: Task) -> NDArray[np.float64]:
    """A bundle's scores of what a file gives; InvalidInput for what is no probability or value."""
    width = given.shape[1]
    wrong = {"regression": width != 1, "binary": width > 2, "multiclass": width < 2}[task]
    if task != "regression":
        sums = given.sum(axis=1)
        wrong = wrong or bool(((given < -1e-6) | (given > 1 + 1e-6)).any())
        wrong = wrong or (width > 1 and not np.allclose(sums, 1, atol=1e-3))
    if wrong or not np.isfinite(given).all():
        raise InvalidInput(
            f"The last output of the ONNX file has {width} numbers a row, such as {given[0, :4].tolist()}; "
            f"a model for {task} gives {'one value' if task == 'regression' else 'class probabilities'}.",
            code="NO_PROBABILITIES",
            remedy="Put a Softmax or Sigmoid behind logits, or name another task.",
        )
    return given[:, 1:] if task == "binary" and width == 2 else given


def _check_alone(
    model: TensorModel,
    encoded: Encoded,
    signature: Signature,
    expected: NDArray[np.float64],
    task: Task,
    tolerance: float,
) -> None:
    """Refuse a model that answers a row otherwise when others stand beside it."""
    count = min(8, len(expected))
    alone = [_asked(model, _part(encoded, at, at + 1), signature) for at in range(count)]
    scores = _scores(np.concatenate(alone), task)
    worst = worst_error(expected[:count], scores, floor_of(task, expected))
    if worst > max(tolerance, 1e-4):
        raise InvalidInput(
            f"The model answers a row otherwise when others stand beside it: {worst:.2g} off (relative).",
            code="ROWS_NOT_APART",
            remedy="Export it for inference (PyTorch: model.eval()): a server runs rows of several requests together.",
        )


def _part(encoded: Encoded, start: int, end: int) -> Encoded:
    arrays = {name: each[start:end] for name, each in (encoded.arrays or {}).items()}
    return Encoded(encoded.matrix[start:end], {}, arrays)


def _file(model: TensorModel, signature: Signature, task: Task, width: int) -> bytes:
    """The graph in a bundle's shape: `X` for plain columns, the other inputs under their names, `scores` at its end."""
    import onnx  # noqa: PLC0415 - see above
    from onnx import TensorProto, helper  # noqa: PLC0415 - see above

    proto = onnx.load_model_from_string(model.file.data)
    graph, kind = graph_of(proto, domains=["com.microsoft"])
    feed, inputs = _fed(graph, signature)
    steps = Steps(last=graph.output, prefix="end_")
    if kind != TensorProto.DOUBLE:
        steps.cast("float64")
    steps.add("Reshape", steps.constant(np.array([-1, width], dtype=np.int64)))
    if task == "binary" and width == 2:
        steps.add("Gather", steps.constant(np.array([1], dtype=np.int64)), axis=1)
    steps.nodes.append(helper.make_node("Identity", [steps.last], ["scores"]))
    outputs = 1 if task != "multiclass" else width
    whole = helper.make_graph(
        [*feed.nodes, *graph.nodes, *steps.nodes],
        "bundle",
        inputs,
        [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, [None, outputs])],
        [*feed.constants, *graph.constants, *steps.constants],
    )
    made = helper.make_model(whole, opset_imports=list(proto.opset_import), ir_version=proto.ir_version)
    made.functions.extend(proto.functions)
    data: bytes = made.SerializeToString()
    return data


def _fed(graph: Graph, signature: Signature) -> tuple[Steps, list[Any]]:
    """Nodes that make a graph's plain inputs from `X`, and all inputs of the whole."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - see above

    steps, plain = Steps(prefix="feed_"), signature.plain.names
    inputs = [each for each in graph.inputs if each.name.removeprefix(GIVEN) not in plain]
    for at, name in enumerate(plain):
        taken = next(each for each in graph.inputs if each.name == GIVEN + name)
        column = steps.node("Gather", ["X", steps.constant(np.array([at], dtype=np.int64))], axis=1)
        column = steps.node("Cast", [column], to=taken.type.tensor_type.elem_type)
        shape = [-1] + [1] * (len(taken.type.tensor_type.shape.dim) - 1)
        shaped = steps.node("Reshape", [column, steps.constant(np.array(shape, dtype=np.int64))])
        steps.nodes.append(helper.make_node("Identity", [shaped], [taken.name]))
    if plain:
        inputs.append(helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, len(plain)]))
    return steps, inputs


def _hard(
    model: TensorModel,
    rows: Sequence[Sequence[Value]],
    encode: TensorEncoder,
    signature: Signature,
    task: Task,
    outputs: int,
) -> tuple[list[Encoded], list[NDArray[np.float64]]]:
    """Rows made to be hard that the file answers with numbers, one by one, and the answers."""
    found, answers = [], []
    for at, spec in enumerate(signature.fields):
        values = _hard_values(spec, rows[0][at])
        if spec.kind == "text":
            values += [str(row[at]).upper() for row in rows[:_SHOUTED]]
        for value in values:
            encoded = encode([[*rows[0][:at], value, *rows[0][at + 1 :]]])
            try:
                scores = _scores(_asked(model, encoded, signature), task)
            except InvalidInput:
                continue
            if scores.shape == (1, outputs):
                found.append(encoded)
                answers.append(scores)
    return found, answers


def _hard_values(spec: Field, seen: Value) -> list[Value]:
    if spec.kind == "text":
        return list(_HARD_TEXTS)
    if spec.kind == "number":
        return [0.0, -1.0, 1e-30, 1e6, -1e6]
    like = np.asarray(seen)
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, like.shape) if like.dtype.kind == "f" else random.integers(0, 2, like.shape)
    flat = [np.zeros_like(like), np.ones_like(like), noise.astype(like.dtype), np.flip(like).copy()]
    if like.dtype == np.uint8:
        flat.append(np.full_like(like, 255))
    return list(flat)


def _tried(
    data: bytes,
    rows: Sequence[Encoded],
    expected: Sequence[NDArray[np.float64]],
    task: Task,
    floor: float,
    tolerance: float,
) -> Attempt:
    """What the runtime makes of the graph: faithful with its cost, or why not."""
    attempt = Attempt(RUNTIME, None, None, "", "as it is", size=len(data))
    with TemporaryDirectory() as folder:
        (Path(folder) / "model.onnx").write_bytes(data)
        try:
            runtime = RUNTIMES[RUNTIME](Path(folder))
            answers = [runtime.scores(each.matrix, each.arrays) for each in rows]  # type: ignore[call-arg]  # of this one
        except Exception as error:  # a runtime that cannot run what was made; the report keeps it
            return msgspec.structs.replace(attempt, why_not=f"cannot be run: {' '.join(str(error).split())[:300]}")
        together, wanted = np.concatenate(answers), np.concatenate(list(expected))
        worst = worst_error(wanted, together, floor)
        attempt = msgspec.structs.replace(attempt, error=worst if np.isfinite(worst) else None)
        if not worst <= tolerance or not same_classes(wanted, together, task, tolerance):
            return msgspec.structs.replace(attempt, why_not=f"scores differ by up to {worst:.2g} (relative)")
        costs = _costs(runtime, rows[0])
    return msgspec.structs.replace(attempt, faithful=True, rows_us=costs, row_us=costs["1"])


def _costs(runtime: Any, encoded: Encoded) -> dict[str, float]:
    """Microseconds a row in batches, the best of three; sizes beyond the sample are left out."""
    costs = {}
    for size in _BATCHES:
        if size > len(encoded.matrix):
            break
        part, best = _part(encoded, 0, size), float("inf")
        for _ in range(3):
            began = time.perf_counter()
            runtime.scores(part.matrix, part.arrays)
            best = min(best, time.perf_counter() - began)
        costs[str(size)] = round(best / size * 1e6, 3)
        if best > 0.5:
            break
    return costs


def _golden_rows(rows: Sequence[Sequence[Value]]) -> int:
    size = sum(np.asarray(value).nbytes for value in rows[0] if not isinstance(value, str | float | int))
    return max(1, min(GOLDEN_ROWS, _GOLDEN_BYTES // max(1, size)))
