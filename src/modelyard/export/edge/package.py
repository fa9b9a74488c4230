"""A bundle as a package for devices: the graph, what it takes and gives, golden rows, and a runner of one file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
import numpy as np

from modelyard.core import Digest, digest_of
from modelyard.inference import (
    NO_TRUST_ASKED,
    PROFILE_FILE,
    BundleInfo,
    ReferenceProfile,
    Trust,
    golden_rows,
    verify_bundle,
)

from ..errors import NotForEdge
from . import runner
from .narrow import Kind, narrowed
from .parity import LABELS_EQUAL, Matrix, Parity, parity, reference_rows, scale_of
from .readme import readme

FORMAT = 1
"""The format of `edge.json`, which its runner reads."""

Quantize = Literal["none", "float16", "int8", "auto"]
"""What may be asked of weights; `auto` takes the smallest that is within the tolerance."""

QUANTIZE: tuple[Quantize, ...] = ("none", "float16", "int8", "auto")
"""Each of them."""

RUNTIMES = ("onnx", "onnx-float32", "onnx-tensors")
"""Runtimes whose model is a graph of ONNX, which a device can run."""

_MODEL = "model.onnx"


@dataclass(frozen=True)
class Tried:
    """One way to store the weights, whether it is good enough, and why not."""

    weights: Kind
    accepted: bool
    why: str = ""
    size: int | None = None
    labels_equal: float | None = None
    score_error: float | None = None


@dataclass(frozen=True)
class EdgePackage:
    """Files by name, and what `edge.json` says of them."""

    files: Mapping[str, bytes]
    told: Mapping[str, Any]


@dataclass(frozen=True)
class _Proof:
    """Rows to compare answers on, in parts that are encoded, and the answers before."""

    task: Any
    parts: tuple[runner.Encoded, ...]
    before: Matrix

    def of(self, graph: bytes) -> Parity:
        return parity(self.task, self.before, _scores(graph, self.parts))


def edge_package(
    bundle: Path,
    *,
    quantize: Quantize = "none",
    tolerance: float = 0.01,
    trust: Trust = NO_TRUST_ASKED,
    expect: Digest | None = None,
    made_by: str,
) -> EdgePackage:
    """The package of the verified bundle in a folder: the same bytes for the same bundle and libraries.

    Weights are stored as `quantize` asks where the answers stay within `tolerance`, and otherwise as they were. Nothing
    of the author's Python is run. `made_by` is the version of Modelyard that the package names. NotForEdge for a
    runtime that is no graph of ONNX; what `verify_bundle` and `trust.check` raise.
    """
    info, digest = verify_bundle(bundle, expect=expect)
    trust.check(bundle, digest)
    if info.runtime not in RUNTIMES:
        raise NotForEdge(
            f"The bundle of {info.model} {info.version} runs on '{info.runtime}', which is no graph of ONNX.",
            context={"runtime": info.runtime, "digest": digest},
            remedy=_remedy(info.runtime),
        )
    rows, expected = golden_rows(bundle, info)
    golden = json.dumps({"rows": [[_plain(each) for each in row] for row in rows], "scores": expected.tolist()})
    graph = (bundle / _MODEL).read_bytes()
    profile = msgspec.json.decode((bundle / PROFILE_FILE).read_bytes(), type=ReferenceProfile)
    proof, counts = _proof(profile, info, json.loads(golden)["rows"], graph)
    kept, tried = _quantized(graph, proof, quantize, tolerance)
    weights = next((each.weights for each in tried if each.accepted), None)
    off = proof.of(kept)
    files = {_MODEL: kept, "golden.json": golden.encode(), "run.py": Path(runner.__file__).read_bytes()}
    told = {
        "format": FORMAT,
        "model": info.model,
        "version": info.version,
        "task": info.task,
        "classes": list(info.classes),
        "source": {"bundle": digest, "runtime": info.runtime},
        "signature": json.loads(msgspec.json.encode(info.signature)),
        "elsewhere": _elsewhere(info),
        "outputs": _outputs(info),
        "metrics": info.metrics or profile.performance,
        "size": {"before": len(graph), "after": len(kept)},
        "weights": weights,
        "tried": [asdict(each) for each in tried],
        "parity": {**counts, "labels_equal": off.labels_equal, "score_error": off.score_error},
        "tolerance": {"labels_equal": LABELS_EQUAL, "score_error": tolerance},
        "check": {
            "relative": info.tolerance,
            "floor": info.floor,
            "absolute": 0.0 if weights is None else tolerance * scale_of(info.task, proof.before),
        },
        "made_with": {"modelyard": made_by, "onnxruntime": _version()},
        "files": {name: digest_of(data) for name, data in sorted(files.items())},
    }
    files["edge.json"] = (json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    files["README.md"] = readme(told).encode()
    return EdgePackage(dict(sorted(files.items())), told)


def _proof(
    profile: ReferenceProfile, info: BundleInfo, golden: Sequence[Any], graph: bytes
) -> tuple[_Proof, dict[str, int]]:
    """What is compared on, and how many rows of which kind."""
    encoded = runner.Encoder(json.loads(msgspec.json.encode(info.signature))["fields"])(golden)
    reference = reference_rows(profile, info.signature, encoded.matrix)
    parts = (encoded, runner.Encoded(reference, {}, [])) if len(reference) else (encoded,)
    counts = {"golden_rows": len(golden), "reference_rows": len(reference)}
    return _Proof(info.task, parts, _scores(graph, parts)), counts


def _scores(graph: bytes, parts: Sequence[runner.Encoded]) -> Matrix:
    """What a graph answers, by the runner's own code."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / _MODEL
        file.write_bytes(graph)
        loaded = runner.Graph(file)
        return np.concatenate([loaded.scores(each) for each in parts])


def _quantized(graph: bytes, proof: _Proof, asked: Quantize, tolerance: float) -> tuple[bytes, list[Tried]]:
    """The graph to go on with, and what was tried; of what is accepted the smallest, which comes first."""
    kinds: dict[Quantize, tuple[Kind, ...]] = {
        "none": (), "int8": ("int8",), "float16": ("float16",), "auto": ("int8", "float16"),
    }  # fmt: skip
    tried: list[Tried] = []
    for kind in kinds[asked]:
        made = narrowed(graph, kind)
        if isinstance(made, str):
            tried.append(Tried(kind, accepted=False, why=made))
            continue
        found = proof.of(made)
        fine = found.within(tolerance)
        why = "" if fine else f"answers differ more than the tolerance allows, on {found.rows} rows"
        apart = found.score_error if np.isfinite(found.score_error) else None
        tried.append(Tried(kind, fine, why, len(made), found.labels_equal, apart))
        if fine:
            return made, tried
    return graph, tried


def _remedy(runtime: str) -> str:
    if runtime.startswith("treelite"):
        return "Devices run ONNX alone; `modelyard bundle show FOLDER` tells why the model's graph was not kept."
    return (
        f"'{runtime}' needs libraries of its own, and devices run ONNX alone. Export the model to ONNX, and build a "
        "bundle of the file: modelyard bundle build --path MODEL.onnx --sample ROWS -o FOLDER"
    )


def _elsewhere(info: BundleInfo) -> list[str]:
    """Fields that do not come with a request: a server looks them up or computes them, a device is given them."""
    asked = {each["name"] for each in info.plan.get("request", ())}
    return [name for name in info.signature.names if asked and name not in asked]


def _outputs(info: BundleInfo) -> dict[str, Any]:
    """What scores stand for."""
    if info.task == "regression":
        return {"scores": ["the value"], "prediction": "the value"}
    if info.task == "binary":
        second = info.classes[1]
        return {"scores": [f"probability of {second}"], "prediction": f"{second} above .5, else {info.classes[0]}"}
    return {"scores": [f"probability of {each}" for each in info.classes], "prediction": "the most probable class"}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _version() -> str:
    import onnxruntime  # noqa: PLC0415 - as everywhere

    return str(onnxruntime.__version__)
