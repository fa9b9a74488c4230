"""Building, checking and showing bundles. They need files only, so that no project is asked for."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from modelyard.bundling import (
    BUILD_FILE,
    BuiltBundle,
    Facts,
    PythonFolder,
    ReadModel,
    TensorModel,
    build_embedder_bundle,
    build_tensor_bundle,
    classes_of,
    is_sentence_model,
    read_model,
    read_sample,
    read_sentence_model,
    read_tensors,
    sample_texts,
    tensor_model,
    tensor_rows,
    tensor_signature,
)
from modelyard.core import Conflict, Digest, InvalidInput, NotFound, check_name, did_you_mean
from modelyard.core.signing import PrivateKey
from modelyard.inference import (
    BundleInfo,
    Field,
    explain_info,
    probe_bundle,
    sign_bundle,
    verify_bundle,
)
from modelyard.tracking import Tracker

from .building import Building, build_from_rows, class_names, parted, performance, require_classes, require_task, truths
from .signatures import own_key, signed_by, trust_of
from .sources import model_at, name_of


@dataclass(frozen=True)
class BuildBundle:
    """A model file and rows to prove its bundle with.

    `unknown` is what an unseen level becomes where the model takes one: null, error or other. `path` may be a URI of
    MLflow's. Without a `sample` the example that an MLflow model was logged with serves. With `allow_python` the bundle
    may hold a pickle or code. `classes` names them, separated by commas, in the order of the model's scores.
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
    classes: str | None = None
    quantize: bool = False


def build_from_files(
    given: BuildBundle,
    progress: Callable[[str], None] = lambda _: None,
    *,
    tracker: Tracker | None = None,
    signer: Callable[[], PrivateKey | None] = own_key,
) -> dict[str, Any]:
    """Build the bundle of a model; returns where it is, what it is, and what was tried.

    `signer` gives the key it is signed with, if any: by default that of the project in the working directory.
    `tracker`: whose MLflow a URI is asked of; see `model_at`.
    """
    name = check_name("model", given.name or name_of(given.path))
    if given.output.exists():
        raise Conflict(
            f"{given.output} exists already.",
            code="BUNDLE_EXISTS",
            remedy="Bundles never change: choose another folder.",
        )
    key = signer()  # one that cannot be read is told before anything is made
    progress(f"reading {given.path}")
    if is_sentence_model(given.path):
        return _signed(_build_embedder(given, name, progress), key)
    _require_embedder(given)
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
    return _signed(built, key)


def _signed(built: BuiltBundle, key: PrivateKey | None) -> dict[str, Any]:
    if key is not None:
        sign_bundle(built.path, built.digest, key)
    return show_bundle(built.path)


def _build_embedder(given: BuildBundle, name: str, progress: Callable[[str], None]) -> BuiltBundle:
    """The bundle of an embedder of sentences; the first column of a sample holds texts to prove it with too."""
    texts = [] if given.sample is None else sample_texts(read_sample(given.sample).column(0).to_pylist(), given.sample)
    return build_embedder_bundle(
        read_sentence_model(given.path),
        texts,
        facts=Facts(name, given.version, tolerance=given.tolerance),
        into=given.output,
        quantize=given.quantize,
        progress=progress,
    )


def _require_embedder(given: BuildBundle) -> None:
    if given.quantize:
        raise InvalidInput(
            f"--quantize is for embedders, and {given.path} is none.",
            code="NOT_QUANTIZED",
            remedy="Other models in int8 are packages for devices: modelyard export edge --quantize int8",
        )


def _build(given: BuildBundle, name: str, read: ReadModel, progress: Callable[[str], None]) -> BuiltBundle:
    labels, inputs = parted(_sample(given, read), given.label, read.columns)
    if not inputs.num_rows:
        raise InvalidInput(f"{given.sample} holds no rows.", code="UNREADABLE_SAMPLE", remedy="Give a few hundred.")
    building = Building(
        name,
        given.version,
        given.output,
        given.task,
        class_names(given.classes),
        tolerance=given.tolerance,
        unknown=given.unknown,
        allow_python=given.allow_python,
        progress=progress,
    )
    return build_from_rows(read.model, inputs, labels, building)


def _build_tensors(given: BuildBundle, name: str, model: TensorModel, progress: Callable[[str], None]) -> BuiltBundle:
    """The bundle of a model whose inputs are tensors or text."""
    if given.sample is None:
        raise _no_sample(given)
    sample = read_tensors(given.sample, [each.name for each in model.inputs], given.label)
    if given.label is not None and given.label not in sample:
        raise InvalidInput(
            f"The sample has no array '{given.label}'.", code="NO_SUCH_COLUMN", remedy=did_you_mean(given.label, sample)
        )
    signature, task = tensor_signature(model, sample), require_task(given.task, model.original)
    rows, named = tensor_rows(signature, sample), class_names(given.classes)
    labels = None if given.label is None else np.asarray(sample[given.label])[: len(rows)]

    def measure(scores: np.ndarray[Any, Any], classes: tuple[str, ...]) -> dict[str, float]:
        if labels is None:
            return {}
        return performance(task, scores, truths(labels, task, classes))

    return build_tensor_bundle(
        model,
        rows,
        signature=signature,
        task=task,
        facts=Facts(name, given.version, tolerance=given.tolerance),
        into=given.output,
        classes_of=lambda outputs: require_classes(named, classes_of(model.original, task, outputs)),
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


def _described(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(field)
    return described
