"""A loaded bundle: from raw rows to predictions."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Digest, Scalar, Value, log_event

from .compiled import TREES_FILE, Walk, compiled_walker, ready_walker
from .encode import Encoded
from .errors import BundleDamaged, GoldenMismatch, InvalidRow, NoPredictor, UnknownRuntime
from .explain import Contributions
from .explanation import Explanation, explain_info
from .isolated import IsolationLimits
from .permission import admit
from .records import BundleInfo, ReferenceProfile
from .runtimes import ISOLATED, RUNTIMES, Runtime
from .runtimes.onnx import EMBEDDING, OnnxTensorsRuntime
from .runtimes.trees import TREES, TreesRuntime, read_trees
from .signing import NO_TRUST_ASKED, Trust
from .tensors import encoder_of, typical, unpack_golden
from .transforms import Transforms
from .verify import verify_bundle

GOLDEN_FILE, PROFILE_FILE = "golden.json", "profile.json"
"""Golden rows with the original model's scores, and the reference profile for monitoring."""

GOLDEN_ARRAYS = "golden.npz"
"""Golden rows where there are tensors or text, instead of `GOLDEN_FILE`; see `pack_golden`."""


class Golden(msgspec.Struct, frozen=True):
    """Rows with the original model's scores for them."""

    rows: tuple[tuple[Scalar, ...], ...]
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Predictions:
    """What a model answers for n rows.

    `scores`: float64; (n, 1) probability of the second class for a binary task, (n, classes) for multiclass, (n, 1)
    the value for regression. `labels`: class names, or None for regression. `unknown`: unseen levels met, by field.
    """

    scores: NDArray[np.float64]
    labels: tuple[str, ...] | None
    unknown: Mapping[str, int]


class Bundle:
    """A verified and loaded bundle. Immutable; safe for any thread.

    `transforms`: the functions of on-demand features, in their worker process; None where the plan has none.
    """

    def __init__(
        self,
        info: BundleInfo,
        digest: Digest,
        runtime: Runtime,
        profile: ReferenceProfile,
        explanation: Explanation,
        transforms: Transforms | None = None,
    ) -> None:
        self.info = info
        self.transforms = transforms
        self.digest = digest
        self.profile = profile
        self._explanation = explanation
        self.encode = encoder_of(info.signature)
        self._runtime = runtime
        self._tensors = runtime if isinstance(runtime, OnnxTensorsRuntime) else None
        self._names = info.signature.names
        self._example: Encoded | None = None
        self._slow: Path | None = None

    def predict(self, rows: Sequence[Sequence[Value] | Mapping[str, Value]]) -> Predictions:
        """Predict raw rows: sequences in the signature's order, or mappings by field name."""
        encoded = self.encode([self._ordered(index, row) for index, row in enumerate(rows)])
        scores = self.scores(encoded.matrix, encoded.arrays)
        labels = None if self.info.task == "regression" else tuple(self.label_of(row) for row in scores)
        return Predictions(scores, labels, encoded.unknown)

    def scores(
        self, matrix: NDArray[np.float64], arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> NDArray[np.float64]:
        """Scores of encoded rows; see `Encoded` and `Predictions`. IsolatedModelFailed when its worker has none."""
        if arrays is not None and self._tensors is not None:
            return self._tensors.scores(matrix, arrays)
        return self._runtime.scores(matrix)

    def example(self, rows: int) -> Encoded | None:
        """So many encoded rows of those that a model with tensors or text can surely answer; None for other models."""
        return None if self._example is None else typical(self._example, rows)

    def quicken_from(self, folder: Path) -> None:
        """Where `quicken` finds the trees."""
        self._slow = folder.absolute()

    def replay(self, rows: Sequence[Sequence[Value]], expected: NDArray[np.float64]) -> None:
        """GoldenMismatch when the model does not answer golden rows as the original did."""
        encoded = self.encode(rows)
        error = worst_error(expected, self.scores(encoded.matrix, encoded.arrays), self.info.floor)
        if not error <= self.info.tolerance:
            raise GoldenMismatch(
                f"Bundle {self.digest[:12]}… answers its golden rows {error:.2g} off (relative), beyond "
                f"{self.info.tolerance:g}.",
                context={"digest": self.digest, "error": error},
                remedy="Build the bundle on this kind of machine, or check the runtime's version.",
            )
        if encoded.arrays is not None:
            self._example = typical(encoded, 1)

    @property
    def runtime(self) -> str:
        """What answers: the runtime that the bundle names, or `trees` where compiled code has taken its place."""
        return TREES if isinstance(self._runtime, TreesRuntime) else self.info.runtime

    def quicken(self) -> bool:
        """Let compiled code answer from now on, if the bundle has trees for it; whether it has taken over just now.

        Compiles it first where nobody did on this machine, in a child process that takes some seconds; needs the extra
        `fast`. The code takes over when it answers the golden rows as the original did, between two calls of `scores`.
        Safe from any thread, beside any call.
        """
        folder, self._slow = self._slow, None
        if folder is None or (walk := compiled_walker()) is None:
            return False
        try:
            trees = _trees(folder, self.info, walk)
        except BundleDamaged as error:
            log_event("inference", "trees left alone", level=logging.WARNING, bundle=self.digest, error=error.message)
            return False
        if trees is None:
            return False
        self._runtime = trees
        return True

    @property
    def isolated(self) -> bool:
        """Whether the model, or a function of its features, runs in a worker process: a call may take its deadline."""
        return self.runtime in ISOLATED or self.transforms is not None

    def close(self) -> None:
        """End its worker processes, if any; the bundle is not asked again. Dropping the bundle does so too."""
        self._runtime.close()
        if self.transforms is not None:
            self.transforms.close()

    @property
    def explains(self) -> bool:
        """Whether `contributions` can answer."""
        return self._explanation.info.kind is not None

    def contributions(self, matrix: NDArray[np.float64]) -> Contributions:
        """Contributions of each field to the scores of an encoded matrix (n_rows, n_fields), as `encode` makes it.

        Exact Shapley values: of trees where fields that are not known follow the training rows down every path, of
        linear models where they are drawn from the training-like sample (`explain.trees`, `explain.linear`). On the
        `scale` of the answer, base and contributions of a row add up to what the model gave it.

        The structure is read at the first call: a tenth of a second for 100,000 nodes of trees. After that a row costs
        about 8 ms at so many (200 trees of depth 10), .2 ms at 1,500, on the calling thread. Memory does not grow with
        the rows but for the answer.
        NotExplained says why a bundle cannot (ask `explains` first); BundleDamaged when its file is not what was built.
        """
        return self._explanation.explainer(matrix)

    def label_of(self, scores: Sequence[float] | NDArray[np.float64]) -> str:
        """The class that one row of scores stands for: the second of two above .5, the highest of more.

        At exactly one half it is the first, as scikit-learn, LightGBM and XGBoost have it.
        """
        return label_of(self.info, scores)

    def _ordered(self, index: int, row: Sequence[Value] | Mapping[str, Value]) -> Sequence[Value]:
        if not isinstance(row, Mapping):
            return row
        if strangers := set(row) - set(self._names):
            raise InvalidRow(
                f"Row {index} has fields the model does not know: {', '.join(sorted(strangers))}.",
                context={"row": index, "path": f"[{index}]"},
                remedy=f"It takes: {', '.join(self._names)}.",
            )
        return [row.get(name) for name in self._names]


def label_of(info: BundleInfo, scores: Sequence[float] | NDArray[np.float64]) -> str:
    """The class that one row of a classifier's scores stands for; see `Bundle.label_of`."""
    if info.task == "binary":
        return info.classes[int(scores[0] > 0.5)]
    return info.classes[int(np.argmax(scores))]


def load_bundle(
    folder: Path | str,
    *,
    expect: Digest | None = None,
    allow_python: Collection[Digest] = (),
    limits: IsolationLimits | None = None,
    trust: Trust = NO_TRUST_ASKED,
) -> Bundle:
    """Verify a bundle, load it through the closed list of runtimes, and replay its golden rows.

    `allow_python` are digests of bundles whose Python may run; it and native libraries do so in a worker process, held
    to `limits`. `trust` says whose signature a bundle needs, and whose permits Python as well. Trees for compiled code
    are walked where that is at hand (see `Bundle.quicken`); the runtime that the bundle names is then not loaded.
    Raises BundleDamaged, BundleTooNew, BundleNotTrusted, UnknownRuntime, PythonNotPermitted, IsolatedModelFailed,
    NoPredictor for an embedder, or GoldenMismatch when it answers otherwise than the original.
    """
    folder = Path(folder)
    info, digest = verify_bundle(folder, expect=expect)
    if info.runtime == EMBEDDING:
        raise NoPredictor(
            f"The bundle in {folder} is an embedder, '{info.model}': it predicts nothing.",
            context={"folder": str(folder)},
            remedy="Give it to an index: modelyard index build FOLDER SOURCES --embedder BUNDLE",
        )
    if info.runtime not in RUNTIMES:
        raise UnknownRuntime(
            f"The bundle in {folder} wants the runtime '{info.runtime}'; there are {', '.join(RUNTIMES)}.",
            remedy="Upgrade Modelyard, or build the bundle again.",
        )
    admit(folder, info, digest, trust, allow_python)
    profile = msgspec.json.decode((folder / PROFILE_FILE).read_bytes(), type=ReferenceProfile)
    explanation = Explanation(folder.absolute(), info, explain_info(folder, info))
    transforms = Transforms(folder, limits) if info.transforms else None
    walk = ready_walker() if TREES_FILE in info.files else None
    try:
        if walk is not None and (trees := _trees(folder, info, walk)) is not None:
            return Bundle(info, digest, trees, profile, explanation, transforms)
        load = RUNTIMES[info.runtime]
        runtime = load(folder, limits) if info.runtime in ISOLATED else load(folder)
    except BaseException:
        if transforms is not None:
            transforms.close()
        raise
    bundle = Bundle(info, digest, runtime, profile, explanation, transforms)
    try:
        bundle.replay(*golden_rows(folder, info))
    except BaseException:
        bundle.close()
        raise
    if TREES_FILE in info.files and walk is None:
        bundle.quicken_from(folder)
    return bundle


def _trees(folder: Path, info: BundleInfo, walk: Walk) -> TreesRuntime | None:
    """The bundle's trees on compiled code; None when they are of another version, or answer golden rows otherwise."""
    arrays = read_trees(folder, info.files[TREES_FILE], len(info.signature.fields))
    if arrays is None:
        return None
    runtime, (rows, expected) = TreesRuntime(arrays, walk), golden_rows(folder, info)
    error = worst_error(expected, runtime.scores(encoder_of(info.signature)(rows).matrix), info.floor)
    if error <= info.tolerance:
        return runtime
    event = "trees left alone: they answer golden rows otherwise"
    log_event("inference", event, level=logging.WARNING, model=info.model, error=error)
    return None


def worst_error(expected: NDArray[np.float64], answers: NDArray[np.float64], floor: float) -> float:
    """The largest difference of scores, relative to the expected score or, where that is smaller, to `floor`.

    Infinite when shapes differ or an answer is not a number.
    """
    if expected.shape != answers.shape or not np.isfinite(answers).all():
        return float("inf")
    if not expected.size:
        return 0.0
    return float(np.max(np.abs(answers - expected) / np.maximum(np.abs(expected), floor)))


def golden_rows(folder: Path, info: BundleInfo) -> tuple[Sequence[Sequence[Value]], NDArray[np.float64]]:
    """A bundle's golden rows, in its signature's order, and the original model's scores for them (n, k)."""
    if not info.signature.has_tensors:
        golden = msgspec.json.decode((folder / GOLDEN_FILE).read_bytes(), type=Golden)
        return golden.rows, np.array(golden.scores)
    try:
        return unpack_golden(info.signature, (folder / GOLDEN_ARRAYS).read_bytes())
    except (OSError, ValueError) as error:
        raise BundleDamaged(
            f"{folder / GOLDEN_ARRAYS} cannot be read: {error}.",
            context={"folder": str(folder)},
            remedy="Fetch the bundle again from the artifact store; never edit a bundle.",
        ) from error
