"""Building a bundle: convert, prove that nothing changed, write down what the original answers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from modelyard.core import Digest, Micros, Scalar
from modelyard.inference import (
    FORMAT_VERSION,
    GOLDEN_FILE,
    PROFILE_FILE,
    RUNTIMES,
    BundleInfo,
    Encoder,
    Golden,
    ReferenceProfile,
    Signature,
    Task,
    load_bundle,
    write_bundle,
)

from .converters import CONVERTERS, Converter
from .errors import NoFaithfulRuntime
from .parity import Matrix, describe, original_scores, same_classes, stress_rows, worst_error

GOLDEN_ROWS = 32
_SAMPLE_ROWS = 5000


class Attempt(msgspec.Struct, frozen=True):
    """One runtime that was tried: `error` is the worst relative difference of scores, `why_not` empty when it won."""

    runtime: str
    error: float | None
    row_us: float | None
    why_not: str


@dataclass(frozen=True)
class BuiltBundle:
    """A bundle on disk, and what building it found."""

    path: Path
    digest: Digest
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Facts:
    """What a bundle says of where its model comes from."""

    model: str
    version: str
    classes: tuple[str, ...] = ()
    run: str | None = None
    datasets: Mapping[str, Digest] | None = None
    metrics: Mapping[str, float] | None = None
    created: Micros | None = None
    tolerance: float = 1e-6


def build_bundle(
    model: Any,
    rows: Sequence[Sequence[Scalar]],
    *,
    signature: Signature,
    task: Task,
    plan: Mapping[str, Any],
    profile: ReferenceProfile,
    facts: Facts,
    into: Path,
) -> BuiltBundle:
    """Build the bundle of a trained model at `into`, which must not exist.

    `rows`: raw training-like rows (n, f) in the signature's order; the first few become the golden rows. The runtimes
    that suit the model are tried in order, and the first whose answers equal the original's on these rows and on
    stress rows is kept: every class the same, scores within `facts.tolerance` relative. NoFaithfulRuntime lists what
    was tried.
    """
    sample = rows[:_SAMPLE_ROWS]
    matrix = Encoder(signature)(sample).matrix
    hard = np.concatenate([matrix, stress_rows(signature, matrix)])
    expected = original_scores(model, hard, task)
    attempts: list[Attempt] = []
    for converter in (each for each in CONVERTERS if each.suits(model)):
        files, attempt = _try(converter, model, hard, expected, task, facts.tolerance)
        attempts.append(attempt)
        if attempt.why_not:
            continue
        files[GOLDEN_FILE] = msgspec.json.encode(_golden(sample, expected))
        files[PROFILE_FILE] = msgspec.json.encode(profile)
        files["build.json"] = msgspec.json.encode(attempts)
        digest = write_bundle(into, _info(converter.runtime, signature, task, plan, facts), files)
        load_bundle(into, expect=digest)
        return BuiltBundle(into, digest, tuple(attempts))
    raise NoFaithfulRuntime(
        f"No fast runtime carries this {type(model).__name__}:\n  "
        + describe([f"{each.runtime}: {each.why_not}" for each in attempts]),
        context={"model": facts.model, "kind": type(model).__name__},
        remedy="Tree ensembles of scikit-learn can be carried; train one of these.",
    )


def _try(
    converter: Converter, model: Any, hard: Matrix, expected: Matrix, task: Task, tolerance: float
) -> tuple[dict[str, bytes], Attempt]:
    try:
        files = converter.convert(model)
    except Exception as error:  # a library that cannot convert may raise anything; the report keeps it
        return {}, Attempt(converter.runtime, None, None, f"cannot convert: {error}")
    with TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        runtime = RUNTIMES[converter.runtime](Path(folder))
        began = time.perf_counter()
        answers = runtime.scores(hard)
        row_us = (time.perf_counter() - began) / len(hard) * 1e6
    worst = worst_error(expected, answers)
    why_not = ""
    if not same_classes(expected, answers, task, tolerance):
        why_not = "some rows get another class"
    elif worst > tolerance:
        why_not = f"scores differ by up to {worst:.2g} (relative), beyond {tolerance:g}"
    return files, Attempt(converter.runtime, worst if np.isfinite(worst) else None, row_us, why_not)


def _golden(rows: Sequence[Sequence[Scalar]], expected: Matrix) -> Golden:
    count = min(GOLDEN_ROWS, len(rows))
    return Golden(tuple(tuple(row) for row in rows[:count]), tuple(tuple(each) for each in expected[:count].tolist()))


def _info(runtime: str, signature: Signature, task: Task, plan: Mapping[str, Any], facts: Facts) -> BundleInfo:
    return BundleInfo(
        format=FORMAT_VERSION,
        model=facts.model,
        version=facts.version,
        task=task,
        runtime=runtime,
        signature=signature,
        plan=dict(plan),
        files={},
        classes=facts.classes,
        run=facts.run,
        datasets=dict(facts.datasets or {}),
        metrics=dict(facts.metrics or {}),
        tolerance=facts.tolerance,
        created_us=facts.created or 0,
    )
