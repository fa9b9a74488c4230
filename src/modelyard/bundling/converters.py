"""Converters from trained models to the runtimes of bundles, in the order they are tried.

Trees as arrays for compiled code first: they take the place of another runtime where they can. Of the others ONNX
Runtime comes first: trees as they are (`trees`), else what skl2onnx or onnxmltools make of the model; then treelite.
What none of these carries goes to a worker process: on its own library, and at last as Python.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.inference import (
    LIGHTGBM_FILE,
    PICKLE_FILE,
    PYTHON_FILE,
    TREES,
    TREES_FILE,
    XGBOOST_FILE,
    PythonModel,
    Signature,
    Task,
    pack_trees,
)

from .columns import columns_of_fields
from .graphs import MISSING, OPSET, Graph, fed_by, fed_whole, finished, followed_by, graph_of, is_whole
from .imputer import convert_imputer, imputer_shape
from .original import OnnxFile, Original, is_pipeline, library_of, reads_names, wants_codes
from .python_folder import PythonFolder
from .torch_module import TorchModule
from .trees import tree_graph
from .walked import walked

_FLOAT32_FIRST = ("RandomForest", "ExtraTree", "GradientBoosting", "DecisionTree")
"""scikit-learn's own trees cast their input to float32; its histogram trees do not."""

_LIGHTGBM_ZERO = float(np.float32(1e-35))

_TREES = (*_FLOAT32_FIRST, "HistGradientBoosting")


_CALLS: dict[Task, Literal["predict", "predict_proba"]] = {
    "binary": "predict_proba",
    "multiclass": "predict_proba",
    "regression": "predict",
}


@dataclass(frozen=True)
class Subject:
    """What is to be converted: a model, and the rows and answers it has."""

    model: Any
    signature: Signature
    task: Task
    classes: int
    sample: NDArray[np.float64]

    @property
    def outputs(self) -> int:
        return self.classes if self.task == "multiclass" else 1


@dataclass(frozen=True)
class Converter:
    """Turns a model into the files of one runtime; raises whatever its library raises when it cannot.

    What a converter makes `beside` is kept with the runtime that is chosen, and takes its place where it can be run.
    `fallback` converters are tried only when none before them that makes the same runtime was faithful, a last `resort`
    only when nothing before it was.
    """

    name: str
    runtime: str
    suits: Callable[[Any], bool]
    convert: Callable[[Subject], dict[str, bytes]]
    fallback: bool = False
    resort: bool = False
    beside: bool = False


def treelite_of(model: Any, signature: Signature | None = None) -> Any:
    """treelite's model of a tree ensemble: of scikit-learn, LightGBM or XGBoost.

    With a signature, levels that the model learned as strings become the codes that rows carry.
    """
    import treelite  # noqa: PLC0415 - only building needs the importer

    if library_of(model) == "lightgbm":
        return _with_zeros(treelite.frontend.from_lightgbm(getattr(model, "booster_", model)))
    if library_of(model) == "xgboost":
        return treelite.frontend.from_xgboost(model.get_booster() if hasattr(model, "get_booster") else model)
    # The importer casts scikit-learn's category table, which lists 'missing' as NaN; that entry is never looked up.
    with np.errstate(invalid="ignore"):
        return treelite.sklearn.import_model(_importable(model, signature))


def _with_zeros(converted: Any) -> Any:
    """LightGBM reads every number within 1e-35 (as float32) of zero as zero, the ends included.

    Only a split at just the lower end can tell: moved by one ulp it lets that number go where zero goes.
    """
    for index in range(converted.num_tree):
        tree = converted.get_tree_accessor(index)
        thresholds = tree.get_field("threshold").copy()
        at_end = thresholds == -_LIGHTGBM_ZERO
        if at_end.any():
            thresholds[at_end] = np.nextafter(-_LIGHTGBM_ZERO, -np.inf)
            tree.set_field("threshold", thresholds)
    return converted


def _importable(model: Any, signature: Signature | None) -> Any:
    """A single tree as a forest of one; histogram trees trained on strings as if trained on codes."""
    kind = type(model).__name__
    if kind.startswith(("DecisionTree", "ExtraTreeC", "ExtraTreeR")):
        from sklearn import ensemble  # noqa: PLC0415 - only building needs it

        shell = ensemble.RandomForestClassifier if hasattr(model, "classes_") else ensemble.RandomForestRegressor
        forest = shell(n_estimators=1)
        names = ("n_outputs_", "n_features_in_", "n_classes_", "classes_")
        vars(forest).update({name: getattr(model, name) for name in names if hasattr(model, name)})
        forest.estimators_ = [model]
        return forest
    recoding = getattr(model, "_preprocessor", None)
    if signature is None or recoding is None or not reads_names(model):
        return model
    model = deepcopy(model)
    encoder = model._preprocessor.named_transformers_["encoder"]
    coded = [
        spec.categories for spec, is_level in zip(signature.fields, model.is_categorical_, strict=True) if is_level
    ]
    encoder.categories_ = [
        np.array([np.nan if _is_null(level) else float(levels.index(level)) for level in known])
        for known, levels in zip(encoder.categories_, coded, strict=True)
    ]
    return model


def base_of(model: Any) -> float | None:
    """Where XGBoost's logistic models begin to add: its own formula in its own precision, to the last bit."""
    if library_of(model) != "xgboost":
        return None
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    learner = json.loads(booster.save_config())["learner"]
    if learner["objective"]["name"] not in {"binary:logistic", "reg:logistic"}:
        return None
    share = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    one = np.float32(1)
    return float(-np.log(one / share - one))


def is_trees(model: Any) -> bool:
    """Whether a model is an ensemble of trees, or one tree."""
    if library_of(model) == "sklearn":
        return type(model).__name__.startswith(_TREES)
    return library_of(model) in {"lightgbm", "xgboost"}


def rounds_input(model: Any) -> bool:
    """Whether scikit-learn rounds the model's input to float32 before looking at it."""
    return type(model).__name__.startswith(_FLOAT32_FIRST)


def _to_treelite(subject: Subject) -> dict[str, bytes]:
    converted = treelite_of(subject.model, subject.signature)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        converted.serialize(str(file))
        return {"model.treelite": file.read_bytes()}


def _trees_as_arrays(subject: Subject) -> dict[str, bytes]:
    """The ensemble for compiled code, with what stands before it in a pipeline column by column."""
    original = Original(subject.model, subject.signature, subject.task)
    columns = columns_of_fields(original, subject.sample)
    tail = subject.model.steps[-1][1] if is_pipeline(subject.model) else subject.model
    converted = treelite_of(tail, None if is_pipeline(subject.model) else subject.signature)
    fields = len(subject.signature.fields)
    return {TREES_FILE: pack_trees(walked(converted, columns, fields, rounds=rounds_input(tail), base=base_of(tail)))}


def _trees_to_onnx(subject: Subject) -> dict[str, bytes]:
    """The ensemble itself, or a pipeline's front by skl2onnx with the ensemble behind it."""
    model = subject.model
    tail = model.steps[-1][1] if is_pipeline(model) else model
    signature = None if is_pipeline(model) else subject.signature
    trees = tree_graph(treelite_of(tail, signature), rounds_input=rounds_input(tail), base=base_of(tail))
    if not is_pipeline(model):
        return {"model.onnx": trees.to_bytes(subject.outputs)}
    front, kind = _by_skl2onnx(model[:-1], subject)
    return {"model.onnx": followed_by(_widened(front, kind), trees).to_bytes(subject.outputs)}


def _skl2onnx(subject: Subject) -> dict[str, bytes]:
    graph, kind = _by_skl2onnx(subject.model, subject)
    return _file(graph, kind, subject)


def _skl2onnx_single(subject: Subject) -> dict[str, bytes]:
    """Trees as skl2onnx writes them: thresholds, leaves and sums in float32."""
    graph, kind = _by_skl2onnx(subject.model, subject, single=True)
    return _file(graph, kind, subject, single=True)


def _by_skl2onnx(model: Any, subject: Subject, *, single: bool = False) -> tuple[Graph, int]:
    """What skl2onnx makes of a model in double precision, fed by encoded rows, and the tensor type it gives."""
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - only building needs it
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType  # noqa: PLC0415 - same
    from sklearn.impute import SimpleImputer  # noqa: PLC0415 - same

    fields = subject.signature.fields
    number = FloatTensorType if single else DoubleTensorType
    single_input = not _has_columns(model)
    inputs = (
        [("X", number([None, len(fields)]))]
        if single_input
        else [
            (each.name, number([None, 1]) if each.kind == "number" else StringTensorType([None, 1])) for each in fields
        ]
    )
    levels = sorted({level for each in fields for level in each.categories})
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    converted = convert_sklearn(
        _without_nulls(model),
        initial_types=inputs,
        options=options,
        target_opset={"": OPSET, "ai.onnx.ml": 3},
        custom_conversion_functions={SimpleImputer: partial(convert_imputer, levels=levels)},
        custom_shape_calculators={SimpleImputer: imputer_shape},
    )
    graph, kind = graph_of(converted)
    signature = subject.signature
    return fed_whole(graph, signature, single=single) if single_input else fed_by(graph, signature), kind


def _onnxmltools(subject: Subject) -> dict[str, bytes]:
    """What onnxmltools makes of LightGBM's and XGBoost's models: float32, without categories."""
    from onnxmltools import convert_lightgbm, convert_xgboost  # noqa: PLC0415 - only building needs it
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415 - the same

    if any(each.kind == "category" for each in subject.signature.fields):
        raise ValueError("onnxmltools would treat codes of categories as numbers")
    inputs = [("X", FloatTensorType([None, len(subject.signature.fields)]))]
    if library_of(subject.model) == "lightgbm":
        converted = convert_lightgbm(subject.model, initial_types=inputs, zipmap=False, target_opset=15)
    else:
        converted = convert_xgboost(subject.model, initial_types=inputs, target_opset=15)
    graph, kind = graph_of(converted)
    return _file(fed_whole(graph, subject.signature, single=True), kind, subject, single=True)


def _raw_onnx(subject: Subject) -> dict[str, bytes]:
    """An ONNX file as it came: its inputs fed, its last output taken."""
    import onnx  # noqa: PLC0415 - only building needs it

    loaded = onnx.load_model_from_string(subject.model.data)
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in loaded.graph.initializer):
        raise ValueError("it keeps weights in other files; save it as one file (onnx.save_model(…))")
    graph, kind = graph_of(onnx.version_converter.convert_version(loaded, OPSET))
    feed = fed_whole if is_whole(graph, subject.signature) else fed_by
    return _file(feed(graph, subject.signature), kind, subject)


def _torch(subject: Subject) -> dict[str, bytes]:
    """What PyTorch's own exporter makes of a module."""
    fields = len(subject.signature.fields)
    exported = OnnxFile(subject.model.exported(fields))
    columns = subject.model.outputs(fields)
    return _raw_onnx(replace(subject, model=exported, classes=columns if subject.task == "binary" else subject.classes))


def _native_lightgbm(subject: Subject) -> dict[str, bytes]:
    booster = getattr(subject.model, "booster_", subject.model)
    return {LIGHTGBM_FILE: booster.model_to_string().encode()}


def _native_xgboost(subject: Subject) -> dict[str, bytes]:
    """Its own file; the best round is named where the model itself stops there."""
    own = hasattr(subject.model, "get_booster")
    booster = subject.model.get_booster() if own else subject.model.copy()
    if not own:
        booster.set_attr(best_iteration=None)
    return {XGBOOST_FILE: bytes(booster.save_raw("ubj"))}


def _python(subject: Subject) -> dict[str, bytes]:
    """The trained estimator as a pickle, or code as it came."""
    model, task = subject.model, subject.task
    if isinstance(model, PythonFolder):
        return model.files(subject.signature, task)
    import cloudpickle  # noqa: PLC0415 - only pickles need it

    frame: Literal["", "strings", "categories"] = ""
    if reads_names(model):
        frame = "categories" if wants_codes(model) else "strings"
    told = PythonModel("estimator", task, subject.signature.fields, frame, _CALLS[task])
    pickled: bytes = cloudpickle.dumps(model)  # which takes along what was defined in a script or a notebook
    return {PYTHON_FILE: msgspec.json.encode(told), PICKLE_FILE: pickled}


def _file(graph: Graph, kind: int, subject: Subject, *, single: bool = False) -> dict[str, bytes]:
    done = finished(graph, kind, subject.task, subject.classes)
    return {"model.onnx": done.to_bytes(subject.outputs, single=single)}


def _widened(graph: Graph, kind: int) -> Graph:
    """The graph with its output in float64."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - only building needs it

    if kind == TensorProto.DOUBLE:
        return graph
    cast = helper.make_node("Cast", [graph.output], ["widened"], to=TensorProto.DOUBLE)
    return Graph((*graph.nodes, cast), graph.constants, graph.inputs, "widened")


def _has_columns(model: Any) -> bool:
    """Whether a model picks columns by name."""
    return reads_names(model) and any(type(each).__name__ == "ColumnTransformer" for each in _parts(model))


def _parts(model: Any) -> list[Any]:
    """A model and all that it is made of."""
    inside = [each for _, each in getattr(model, "steps", [])]
    inside += [each for _, each, _ in getattr(model, "transformers_", []) if not isinstance(each, str)]
    return [model, *(part for each in inside for part in _parts(each))]


def _without_nulls(model: Any) -> Any:
    """A copy in which a missing level is the string `MISSING`, as it is inside a graph."""
    if not _has_columns(model):
        return model
    copy = deepcopy(model)
    for part in _parts(copy):
        if hasattr(part, "categories_"):
            part.categories_ = [
                np.array([MISSING if _is_null(level) else level for level in levels], dtype=object)
                if levels.dtype.kind in "OUT"
                else levels
                for levels in part.categories_
            ]
        if type(part).__name__ == "SimpleImputer" and part.statistics_.dtype.kind in "OU":
            part.missing_values = MISSING
    return copy


def _is_null(level: Any) -> bool:
    return level is None or (isinstance(level, float) and np.isnan(level))


def _bare(*, rounding: bool) -> Callable[[Any], bool]:
    """Trees that treelite carries by themselves; XGBoost's take float32, though treelite does not say so."""
    return lambda model: is_trees(model) and (rounds_input(model) or library_of(model) == "xgboost") == rounding


def _trees_inside(model: Any) -> bool:
    return is_trees(model.steps[-1][1] if is_pipeline(model) else model)


def _no_trees_inside(model: Any) -> bool:
    return library_of(model) == "sklearn" and not _trees_inside(model)


def _estimators(model: Any) -> bool:
    """What has a method that takes rows; XGBoost's own boosters take a matrix of their library's."""
    return not isinstance(model, OnnxFile | TorchModule) and type(model).__name__ != "Booster"


def _boosters(model: Any) -> bool:
    return library_of(model) in {"lightgbm", "xgboost"}


CONVERTERS: tuple[Converter, ...] = (
    Converter("compiled", TREES, _trees_inside, _trees_as_arrays, beside=True),
    Converter("trees", "onnx", _trees_inside, _trees_to_onnx),
    Converter("skl2onnx", "onnx", _no_trees_inside, _skl2onnx),
    Converter("skl2onnx", "onnx-float32", rounds_input, _skl2onnx_single, fallback=True),
    Converter("onnxmltools", "onnx-float32", _boosters, _onnxmltools, fallback=True),
    Converter("as it is", "onnx", lambda model: isinstance(model, OnnxFile), _raw_onnx),
    Converter("torch", "onnx", lambda model: isinstance(model, TorchModule), _torch),
    Converter("treelite", "treelite", _bare(rounding=False), _to_treelite),
    Converter("treelite", "treelite-float32", _bare(rounding=True), _to_treelite),
    Converter(
        "its own library", "lightgbm", lambda model: library_of(model) == "lightgbm", _native_lightgbm, resort=True
    ),
    Converter("its own library", "xgboost", lambda model: library_of(model) == "xgboost", _native_xgboost, resort=True),
    Converter("as it is", "python", _estimators, _python, resort=True),
)
