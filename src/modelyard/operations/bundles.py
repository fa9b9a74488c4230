"""Building, checking and showing bundles. They need files only, so that no project is asked for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.bundling import (
    BUILD_FILE,
    BuiltBundle,
    Facts,
    Original,
    PythonFolder,
    ReadModel,
    TensorModel,
    build_bundle,
    build_profile,
    build_tensor_bundle,
    classes_of,
    infer_signature,
    levels_of,
    permutation_importance,
    read_model,
    read_sample,
    read_tensors,
    task_of,
    tensor_model,
    tensor_rows,
    tensor_signature,
    tightened,
)
from modelyard.core import Conflict, Digest, InvalidInput, NotFound, Scalar, check_name, did_you_mean
from modelyard.inference import (
    BundleInfo,
    Encoder,
    Field,
    Signature,
    Task,
    explain_info,
    probe_bundle,
    sign_bundle,
    verify_bundle,
)
from modelyard.stats import binary_metrics
from modelyard.tracking import Tracker

from .signatures import own_key, signed_by, trust_of
from .sources import model_at, name_of


@dataclass(frozen=True)
class BuildBundle:
    """A model file and rows to prove its bundle with.

    `unknown` is what an unseen level becomes where the model takes one: null, error or other. `path` may be a URI of
    MLflow's. Without a `sample` the example that an MLflow model was logged with serves. With `allow_python` the bundle
    may hold a pickle or code.
    """

    path: Path
    output: Path
    sample: Path | None = None
    task: str | None = None
    label: str | None = None
    name: str | None = None
    version: str = "1"
    tolerance: float = 1e-6
    unknown: str = "null"
    allow_python: bool = False


def build_from_files(
    given: BuildBundle, progress: Callable[[str], None] = lambda _: None, *, tracker: Tracker | None = None
) -> dict[str, Any]:
    """Build the bundle of a model; returns where it is, what it is, and what was tried.

    In a project's folder it is signed with the project's key, if there is one.
    `tracker`: whose MLflow a URI is asked of; see `model_at`.
    """
    name = check_name("model", given.name or name_of(given.path))
    if given.output.exists():
        raise Conflict(
            f"{given.output} exists already.",
            code="BUNDLE_EXISTS",
            remedy="Bundles never change: choose another folder.",
        )
    key = own_key()
    progress(f"reading {given.path}")
    with model_at(given.path, tracker) as found:
        read = read_model(found)
    try:
        if (tensors := tensor_model(read.model)) is not None:
            built = _build_tensors(given, name, tensors, progress)
        else:
            built = _build(given, name, read, progress)
    finally:
        if isinstance(read.model, PythonFolder):
            read.model.close()
    if key is not None:
        sign_bundle(built.path, built.digest, key)
    return show_bundle(built.path)


def _build(given: BuildBundle, name: str, read: ReadModel, progress: Callable[[str], None]) -> BuiltBundle:
    model = read.model
    labels, inputs = _split(_sample(given, read), given.label, read.columns)
    if not inputs.num_rows:
        raise InvalidInput(f"{given.sample} holds no rows.", code="UNREADABLE_SAMPLE", remedy="Give a few hundred.")
    signature = _signature(inputs, levels_of(model), given.unknown)
    task = _task(given.task, model)
    rows = _rows(inputs)
    matrix = Encoder(signature)(rows).matrix
    original = Original(model, tightened(Original(model, signature, task), matrix), task)
    scores = original.answers(matrix)
    classes = classes_of(model, task, scores.shape[1])
    importance, performance = _judged(original, matrix, scores, labels, classes)
    shown = scores[:, 0] if scores.shape[1] == 1 else scores.max(axis=1)
    return build_bundle(
        model,
        rows,
        signature=signature,
        task=task,
        plan=_plan(signature),
        profile=build_profile(signature, matrix, shown, importance=importance, performance=performance),
        facts=Facts(name, given.version, classes, metrics=performance, tolerance=given.tolerance),
        into=given.output,
        progress=progress,
        allow_python=given.allow_python,
    )


def _build_tensors(given: BuildBundle, name: str, model: TensorModel, progress: Callable[[str], None]) -> BuiltBundle:
    """The bundle of a model whose inputs are tensors or text."""
    if given.sample is None:
        raise _no_sample(given)
    sample = read_tensors(given.sample, [each.name for each in model.inputs], given.label)
    if given.label is not None and given.label not in sample:
        raise InvalidInput(
            f"The sample has no array '{given.label}'.", code="NO_SUCH_COLUMN", remedy=did_you_mean(given.label, sample)
        )
    signature, task = tensor_signature(model, sample), _task(given.task, model.original)
    rows = tensor_rows(signature, sample)
    labels = None if given.label is None else np.asarray(sample[given.label])[: len(rows)]

    def measure(scores: np.ndarray[Any, Any], classes: tuple[str, ...]) -> dict[str, float]:
        if labels is None or task != "binary":
            return {}
        return binary_metrics(scores[:, 0], _positive(labels, classes))

    return build_tensor_bundle(
        model,
        rows,
        signature=signature,
        task=task,
        facts=Facts(name, given.version, tolerance=given.tolerance),
        into=given.output,
        classes_of=lambda outputs: classes_of(model.original, task, outputs),
        measure=measure,
        progress=progress,
    )


def _sample(given: BuildBundle, read: ReadModel) -> pa.Table:
    if given.sample is not None:
        return read_sample(given.sample)
    if read.example is not None:
        return read.example
    raise _no_sample(given)


def _no_sample(given: BuildBundle) -> InvalidInput:
    return InvalidInput(
        f"{given.path} comes with no example of its rows.",
        code="NO_SAMPLE",
        remedy="Give some hundred rows like those it was trained on: --sample ROWS",
    )


def check_bundle(
    folder: Path,
    *,
    memory_mb: int = 4096,
    seconds: float = 60.0,
    allow_python: Collection[Digest] = (),
    expect: Digest | None = None,
    trusted: Sequence[str] = (),
) -> dict[str, Any]:
    """Compare every file with its digest, then load the bundle and replay its golden rows in a process of its own.

    Every signature must hold, and where `trusted` names keys, one of them must have signed.
    """
    _require(folder)
    info, digest = verify_bundle(folder, expect=expect)
    signers, trust = signed_by(folder, digest), trust_of(trusted)
    probe_bundle(folder, expect=digest, memory_mb=memory_mb, seconds=seconds, allow_python=allow_python, trust=trust)
    return {
        "folder": str(folder),
        "digest": digest,
        "runtime": info.runtime,
        "files": len(info.files),
        "signed_by": signers,
        "verdict": "pass",
    }


def show_bundle(folder: Path) -> dict[str, Any]:
    """What a bundle says of itself, and what was tried when it was built; nothing of it is loaded."""
    _require(folder)
    info, digest = verify_bundle(folder)
    tried = folder / BUILD_FILE
    return {
        "folder": str(folder),
        "digest": digest,
        "model": info.model,
        "version": info.version,
        "task": info.task,
        "classes": list(info.classes),
        "runtime": info.runtime,
        "format": info.format,
        "size": sum(each.stat().st_size for each in folder.iterdir()),
        "tolerance": info.tolerance,
        "signed_by": signed_by(folder, digest),
        "metrics": info.metrics,
        "contributions": _explained(folder, info),
        "inputs": [_described(each) for each in info.signature.fields],
        "attempts": msgspec.json.decode(tried.read_bytes()) if _told(info) else [],
    }


def _explained(folder: Path, info: BundleInfo) -> dict[str, Any]:
    """Whether the bundle can say what each field contributed to a prediction, on which scale, or why not."""
    told = explain_info(folder, info)
    return {"available": told.kind is not None, "kind": told.kind, "scale": told.scale, "why_not": told.why_not}


def _told(info: BundleInfo) -> bool:
    return BUILD_FILE in info.files


def _require(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFound(
            f"There is no bundle folder {folder}.",
            code="NO_BUNDLE",
            remedy="Build one: modelyard bundle build --path MODEL --sample ROWS -o FOLDER",
        )


def _split(
    table: pa.Table, label: str | None, columns: list[str] | None
) -> tuple[np.ndarray[Any, Any] | None, pa.Table]:
    """The labels, if named, and the columns that the model reads."""
    names = table.column_names
    if label is not None and label not in names:
        raise InvalidInput(
            f"The sample has no column '{label}'.", code="NO_SUCH_COLUMN", remedy=did_you_mean(label, names)
        )
    wanted = [each for each in names if each != label] if columns is None else columns
    if missing := [each for each in wanted if each not in names]:
        raise InvalidInput(
            f"The model reads columns that the sample lacks: {', '.join(missing)}.",
            code="NO_SUCH_COLUMN",
            context={"missing": missing},
            remedy=f"The sample has: {', '.join(names)}.",
        )
    labels = None if label is None else table.column(label).to_numpy()
    return labels, table.select(wanted)


def _signature(inputs: pa.Table, levels: dict[str, list[str]], unknown: str) -> Signature:
    """The signature of the sample, with the levels that the model itself knows and the policy for those it does not."""
    policies = get_args(Field.__annotations__["unknown"])
    if unknown not in policies:
        raise InvalidInput(f"There is no policy '{unknown}' for unseen levels.", remedy=did_you_mean(unknown, policies))
    plain = pa.table({name: _plain(name, inputs.column(name)) for name in inputs.column_names})
    fields = []
    for spec in infer_signature(plain).fields:
        if spec.kind == "category":
            known = levels.get(spec.name)
            fields.append(msgspec.structs.replace(spec, categories=tuple(known or spec.categories), unknown=unknown))
        else:
            fields.append(spec)
    return Signature(tuple(fields))


def _plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers or strings."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_boolean(kind):
        return column.cast(pa.int8())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column if not pa.types.is_null(kind) else column.cast(pa.float64())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column
    raise InvalidInput(
        f"Column '{name}' of the sample is {kind}; a model reads numbers and strings.",
        code="UNREADABLE_SAMPLE",
        remedy="Convert it, or leave it out of the sample.",
    )


def _rows(inputs: pa.Table) -> list[tuple[Scalar, ...]]:
    """Rows as a caller would send them; NaN is no value."""
    plain = (_plain(name, inputs.column(name)) for name in inputs.column_names)
    cast = (
        each if pa.types.is_string(each.type) or pa.types.is_large_string(each.type) else each.cast(pa.float64())
        for each in plain
    )
    columns = ([None if value != value else value for value in each.to_pylist()] for each in cast)  # noqa: PLR0124
    return list(zip(*columns, strict=True))


def _task(given: str | None, model: Any) -> Task:
    tasks: tuple[Task, ...] = get_args(Task)
    if given is None:
        found = task_of(model)
        if found is None:
            raise InvalidInput(
                f"This {type(model).__name__} does not show its task.",
                code="NO_TASK",
                remedy=f"Give --task: {', '.join(tasks)}.",
            )
        return found
    for each in tasks:
        if each == given:
            return each
    raise InvalidInput(f"There is no task '{given}'.", code="NO_TASK", remedy=did_you_mean(given, tasks))


def _judged(
    original: Original,
    matrix: np.ndarray[Any, np.dtype[np.float64]],
    scores: np.ndarray[Any, np.dtype[np.float64]],
    labels: np.ndarray[Any, Any] | None,
    classes: tuple[str, ...],
) -> tuple[dict[str, float], dict[str, float]]:
    """Importance by feature and performance on the sample, where labels tell."""
    names = original.signature.names
    if labels is None or original.task != "binary":
        return {name: 1 / len(names) for name in names}, {}
    positive = _positive(labels, classes)
    importance = permutation_importance(lambda rows: original.scores(rows)[:, 0], matrix, positive, names, seed=0)
    return importance, binary_metrics(scores[:, 0], positive)


def _positive(labels: np.ndarray[Any, Any], classes: tuple[str, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([_spelled(each) == _spelled(classes[1]) for each in labels.tolist()], dtype=np.float64)


def _spelled(label: object) -> str:
    """A label as text, by which 1, 1.0, True and '1' are the same class."""
    text = str(label)
    try:
        return str(float({"True": "1", "False": "0"}.get(text, text)))
    except ValueError:
        return text


def _plan(signature: Signature) -> dict[str, Any]:
    """Every input comes with the request."""
    request = [{"name": each.name, "kind": each.kind, "required": not each.nullable} for each in signature.fields]
    return {"request": request, "views": []}


def _described(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(field)
    return described
