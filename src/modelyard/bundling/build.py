"""Building a bundle: convert, prove that nothing changed, write down what the original answers."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
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
    TREES,
    BundleInfo,
    Encoder,
    Golden,
    ReferenceProfile,
    Runtime,
    Signature,
    Task,
    load_bundle,
    load_trees,
    worst_error,
    write_bundle,
)

from .converters import CONVERTERS, Converter, Subject
from .errors import NoFaithfulRuntime
from .explain import explain_files
from .measure import cost_per_row
from .original import Original, tightened
from .parity import Matrix, describe, floor_of, same_classes, stress_rows
from .thresholds import edge_rows, splits_of, threshold_rows

GOLDEN_ROWS = 32
BUILD_FILE = "build.json"
"""What was tried, as a list of `Attempt`."""

_BESIDE = "faithful, and kept beside it: takes its place where there is compiled code (the extra 'fast')"

_SAMPLE_ROWS = 5000
_MUCH_FASTER = 0.8
_ASKED_AT_ONCE = 1000

Progress = Callable[[str], None]
"""Told what is being done, a sentence each time."""


class Attempt(msgspec.Struct, frozen=True):
    """One way to a runtime that was tried.

    `error`: the worst difference of scores, relative as `BundleInfo` says; None when there are none to compare.
    `rows_us`: microseconds a row in batches of 1, 10, 100 and 1,000; `row_us` is that of 1. `size`: bytes of the model
    file. `why_not` is empty for the one that was kept, and may be a speed: `faithful` says whether it answered right.
    `trees` that are faithful are kept beside it.
    """

    runtime: str
    error: float | None
    row_us: float | None
    why_not: str
    converter: str = ""
    faithful: bool = False
    rows_us: dict[str, float] = {}
    size: int | None = None


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


@dataclass(frozen=True)
class _Proof:
    """Rows, and what the original answers to them."""

    rows: Matrix
    expected: Matrix
    floor: float


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
    progress: Progress = lambda _: None,
    allow_python: bool = False,
    transforms: Mapping[str, bytes] | None = None,
) -> BuiltBundle:
    """Build the bundle of a trained model at `into`, which must not exist.

    `transforms`: the files of code of the functions that `plan` names; who serves the bundle must permit its Python.

    `rows`: raw training-like rows (n, f) in the signature's order; the first few become the golden rows. What the model
    itself refuses (missing values, infinities, numbers beyond float32) the bundle's signature refuses.

    The runtimes that suit the model are tried in order. One is faithful when its answers equal the original's on these
    rows, on stress rows and at the thresholds of the trees: every class the same, scores within `facts.tolerance`
    relative. The first faithful one is kept, unless a later one answers a single row in less than four fifths of its
    time. What none of them carries is tried in a worker process: on its own library, then as Python, which is kept only
    with `allow_python`, for it needs the permission of whoever serves it. NoFaithfulRuntime lists what was tried.
    """
    original, sample = Original(model, signature, task), rows[:_SAMPLE_ROWS]
    progress("asking the model what it refuses")
    original = replace(original, signature=tightened(original, Encoder(signature)(sample).matrix))
    matrix = Encoder(original.signature)(sample).matrix
    progress("asking the model for its answers to hard rows")
    proof = _proof(original, matrix)
    classes = len(facts.classes) or _classes(task, proof.expected)
    subject = Subject(model, original.signature, task, classes, matrix)
    attempts: list[Attempt] = []
    files: list[dict[str, bytes]] = []
    for converter in (each for each in CONVERTERS if each.suits(model)):
        if converter.fallback and any(each.faithful and each.runtime.startswith("onnx") for each in attempts):
            continue
        if converter.resort and any(each.faithful and each.runtime != TREES for each in attempts):
            continue
        progress(f"trying {converter.runtime} ({converter.name})")
        made, attempt = _try(converter, subject, proof, facts.tolerance)
        if attempt.runtime == "python" and attempt.faithful and not allow_python:
            attempt = msgspec.structs.replace(attempt, row_us=None, why_not="faithful, but its Python needs permission")
        files.append(made)
        attempts.append(attempt)
    chosen = choice(attempts)
    if chosen is None:
        raise _nothing(model, facts, attempts)
    attempts = _told(attempts, chosen)
    progress("reading from the model's structure what explains its predictions")
    content = {
        **(transforms or {}),
        **_beside(attempts, files),
        **files[chosen],
        **explain_files(original, matrix, proof.rows, proof.expected),
        GOLDEN_FILE: msgspec.json.encode(_golden(sample, matrix, proof)),
        PROFILE_FILE: msgspec.json.encode(profile),
        BUILD_FILE: msgspec.json.encode(attempts),
    }
    progress(f"writing the bundle with {attempts[chosen].runtime}")
    info = _info(attempts[chosen].runtime, original.signature, task, plan, facts)
    info = msgspec.structs.replace(info, floor=proof.floor, transforms=tuple(sorted(transforms or ())))
    digest = write_bundle(into, info, content)
    load_bundle(into, expect=digest, allow_python=[digest] if allow_python or transforms else []).close()
    return BuiltBundle(into, digest, tuple(attempts))


def _proof(original: Original, matrix: Matrix) -> _Proof:
    """Every row to be compared; rows that the original cannot answer with numbers are left out, sample rows never."""
    sampled = original.answers(matrix)
    splits = splits_of(original.model)
    hard = [stress_rows(original.signature, matrix), threshold_rows(splits, original.signature, matrix)]
    if (parted := original.parted) is not None:
        hard.append(edge_rows(parted[0], splits_of(parted[1]), original.signature, matrix))
    rows, expected = _answered(original, np.concatenate(hard), sampled.shape[1])
    return _Proof(
        np.concatenate([matrix, rows]),
        np.concatenate([sampled, expected]),
        floor_of(original.task, sampled),
    )


def _answered(original: Original, rows: Matrix, outputs: int) -> tuple[Matrix, Matrix]:
    """The rows that the original answers with numbers, and the answers; halved until the refused ones are alone."""
    try:
        answers = original.scores(rows)
    except Exception:  # whatever its library raises is a refusal
        if len(rows) == 1:
            return rows[:0], np.empty((0, outputs))
        halves = [_answered(original, each, outputs) for each in np.array_split(rows, 2)]
        return np.concatenate([each for each, _ in halves]), np.concatenate([each for _, each in halves])
    fine = np.isfinite(answers).all(axis=1)
    return rows[fine], answers[fine]


def _try(converter: Converter, subject: Subject, proof: _Proof, tolerance: float) -> tuple[dict[str, bytes], Attempt]:
    attempt = Attempt(converter.runtime, None, None, "", converter.name)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of the converters' own use of their libraries
            files = converter.convert(subject)
    except Exception as error:  # a library that cannot convert may raise anything; the report keeps it
        return {}, msgspec.structs.replace(attempt, why_not=f"cannot convert: {_short(error)}")
    with TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        attempt = msgspec.structs.replace(attempt, size=sum(len(each) for each in files.values()))
        try:
            load = load_trees if converter.beside else RUNTIMES[converter.runtime]
            with closing(load(Path(folder))) as runtime:
                attempt = _judged(attempt, runtime, subject.task, proof, tolerance)
        except Exception as error:  # a runtime that cannot run what a converter made; the report keeps it
            return {}, msgspec.structs.replace(attempt, why_not=f"cannot be run: {_short(error)}")
    return files if attempt.faithful else {}, attempt


def _judged(attempt: Attempt, runtime: Runtime, task: Task, proof: _Proof, tolerance: float) -> Attempt:
    """The attempt with what its runtime answers, and what that costs when it is faithful."""
    parts = np.array_split(proof.rows, max(1, len(proof.rows) // _ASKED_AT_ONCE))
    answers = np.concatenate([runtime.scores(np.ascontiguousarray(part)) for part in parts])
    worst = worst_error(proof.expected, answers, proof.floor)
    attempt = msgspec.structs.replace(attempt, error=worst if np.isfinite(worst) else None)
    if why_not := _unfaithful(proof.expected, answers, task, worst, tolerance):
        return msgspec.structs.replace(attempt, why_not=why_not)
    costs = cost_per_row(runtime, proof.rows)
    return msgspec.structs.replace(attempt, faithful=True, rows_us=costs, row_us=costs["1"])


def _unfaithful(expected: Matrix, answers: Matrix, task: Task, worst: float, tolerance: float) -> str:
    """Why answers are not the original's; empty when they are."""
    if expected.shape != answers.shape:
        return f"it gives scores of shape {answers.shape}, the original {expected.shape}"
    if not np.isfinite(answers).all():
        return "some rows get no number"
    if not same_classes(expected, answers, task, tolerance):
        return f"some rows get another class (scores differ by up to {worst:.2g})"
    if worst > tolerance:
        return f"scores differ by up to {worst:.2g} (relative), beyond {tolerance:g}"
    return ""


def choice(attempts: Sequence[Attempt]) -> int | None:
    """The first faithful attempt, unless a later one is clearly faster at one row. Trees for compiled code are none:

    they need what not every server has.
    """
    chosen: int | None = None
    for index, each in enumerate(attempts):
        if each.row_us is None or each.runtime == TREES:
            continue
        best = None if chosen is None else attempts[chosen].row_us
        if best is None or each.row_us < _MUCH_FASTER * best:
            chosen = index
    return chosen


def _told(attempts: Sequence[Attempt], chosen: int) -> list[Attempt]:
    """The attempts, each faithful one that was not kept with the reason."""
    kept = attempts[chosen]
    why_not = f"faithful, but {kept.runtime} ({kept.converter}) is preferred at one row"
    return [
        msgspec.structs.replace(each, why_not=_BESIDE if each.runtime == TREES else why_not)
        if each.faithful and index != chosen
        else each
        for index, each in enumerate(attempts)
    ]


def _beside(attempts: Sequence[Attempt], files: Sequence[dict[str, bytes]]) -> dict[str, bytes]:
    """What is kept beside the chosen runtime."""
    made = (given for each, given in zip(attempts, files, strict=True) if each.runtime == TREES and each.faithful)
    return next(made, {})


def _nothing(model: Any, facts: Facts, attempts: Sequence[Attempt]) -> NoFaithfulRuntime:
    return NoFaithfulRuntime(
        f"No fast runtime carries this {type(model).__name__}:\n  "
        + describe([f"{each.runtime} ({each.converter}): {each.why_not}" for each in attempts]),
        context={"model": facts.model, "kind": type(model).__name__},
        remedy=_remedy(attempts),
    )


def _remedy(attempts: Sequence[Attempt]) -> str:
    general = "docs/parity.md lists what is carried. Where scores may differ by more: --tolerance."
    python = next((each for each in attempts if each.runtime == "python" and each.faithful), None)
    if python is None:
        return general
    return (
        f"Python in a worker process of its own answers the same, in {python.rows_us['1']:.0f} µs a row: "
        "--allow-python keeps it, to be served where security.python_bundles has its digest (adopt writes that). "
        f"{general}"
    )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _classes(task: Task, expected: Matrix) -> int:
    return {"binary": 2, "regression": 1, "multiclass": int(expected.shape[1])}[task]


def _golden(rows: Sequence[Sequence[Scalar]], matrix: Matrix, proof: _Proof) -> Golden:
    """The first rows that JSON can hold: it has no infinities."""
    fit = np.flatnonzero(~np.isinf(matrix).any(axis=1))[:GOLDEN_ROWS].tolist()
    return Golden(tuple(tuple(rows[at]) for at in fit), tuple(tuple(proof.expected[at].tolist()) for at in fit))


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
