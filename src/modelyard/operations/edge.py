"""The operation that packages a bundle for devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import modelyard
from modelyard.access import Permission
from modelyard.core import Digest, InvalidInput, NotFound, did_you_mean
from modelyard.export import (
    QUANTIZE,
    Quantize,
    edge_package,
    stale_in_folder,
    stale_zip,
    write_folder,
    write_zip,
)
from modelyard.inference import NO_TRUST_ASKED
from modelyard.wiring import FILE_NAME, Project

from .contract import Call, Option, operation


@dataclass(frozen=True)
class ExportEdge:
    """Which bundle, where its package goes, and how its weights are stored."""

    model: Annotated[str | None, Option("Model and version: NAME@alias or NAME/VERSION.")] = None
    bundle: Annotated[Path | None, Option("A bundle's folder instead; needs no project.")] = None
    output: Annotated[
        Path | None, Option("Folder, or file of a zip; export/edge by default.", flag="--output", short="-o")
    ] = None
    check: Annotated[bool, Option("Write nothing; exit code 1 when the files there are others.")] = False
    zip: Annotated[bool, Option("Write one file: a zip.")] = False
    quantize: Annotated[str, Option("Weights as none, float16 or int8; auto: the smallest that is accurate.")] = "none"
    tolerance: Annotated[
        float, Option("How far scores may be off with other weights: as probability, or in standard deviations.")
    ] = 0.01


@operation("export", "edge", Permission.READ, local=True)
def export_edge(call: Call[ExportEdge]) -> Any:
    """A bundle for devices: ONNX graph, runner of one file, golden rows, and smaller weights where answers allow."""
    return _exported(call.input, call.project)


def export_edge_alone(given: ExportEdge) -> Any:
    """The same without a project: of a bundle's folder."""
    return _exported(given, None)


def _exported(given: ExportEdge, project: Project | None) -> dict[str, Any]:
    quantize = _quantize(given.quantize)
    if not given.tolerance > 0:
        raise InvalidInput(f"The tolerance is {given.tolerance:g}.", remedy="Give a number above 0, such as 0.01.")
    trust = NO_TRUST_ASKED if project is None else project.trust
    with _bundle(given, project) as (bundle, digest):
        package = edge_package(
            bundle,
            quantize=quantize,
            tolerance=given.tolerance,
            trust=trust,
            expect=digest,
            made_by=modelyard.__version__,
        )
    into = given.output or Path("export") / ("edge.zip" if given.zip else "edge")
    stale: list[str] = []
    if given.check:
        model = package.told["model"]
        stale = stale_zip(package.files, into, model) if given.zip else stale_in_folder(package.files, into)
    elif given.zip:
        write_zip(package.files, into, package.told["model"])
    else:
        write_folder(package.files, into)
    told = ("model", "version", "source", "size", "weights", "tried", "parity", "tolerance")
    outdated = f"missing or changed: {', '.join(stale)}" if stale else ""
    return {"target": "edge", "output": str(into), "files": list(package.files), "outdated": outdated} | {
        name: package.told[name] for name in told
    }


def _quantize(asked: str) -> Quantize:
    if asked not in QUANTIZE:
        raise InvalidInput(
            f"'{asked[:60]}' is no way to store weights. There are: {', '.join(QUANTIZE)}.",
            code="NO_SUCH_WEIGHTS",
            remedy=did_you_mean(asked, QUANTIZE),
        )
    return asked


@contextmanager
def _bundle(given: ExportEdge, project: Project | None) -> Iterator[tuple[Path, Digest | None]]:
    """The folder of the bundle that is asked for, fetched where a version names it, and the digest it must have."""
    if (given.model is None) == (given.bundle is None) or (given.model and project is None):
        raise InvalidInput(
            "Name one model: a version of the project, or a bundle's folder.",
            code="NO_MODEL",
            remedy=f"Give --bundle FOLDER, or go to the folder of a {FILE_NAME} and give --model NAME@alias.",
        )
    if given.bundle is not None:
        if not given.bundle.is_dir():
            raise NotFound(
                f"There is no bundle folder {given.bundle}.", code="NO_BUNDLE", remedy="See: modelyard bundle build"
            )
        yield given.bundle, None
        return
    assert project is not None  # noqa: S101 - a model is named only with one
    version = project.models.at(given.model or "")
    with TemporaryDirectory() as folder:
        yield project.models.fetch_bundle(version, Path(folder) / "bundle"), version.bundle
