"""Trains what the guard of injections asks, and measures it on families of attacks that it has not seen.

`python -m benchmarks.llm.injection FOLDER` writes the bundles `FOLDER/embedder` and `FOLDER/classifier`, a guard set
that names both, `FOLDER/guards.yaml`, and prints the figures. A text is an attack when a stretch of it is, as for the
guard. Each family is left out once, and of the others every stretch that is nearer than a cosine of .8 to one of it;
false positives are of pages and docstrings that were left out, a fifth of them each time.
"""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from modelyard.bundling import Facts, build_embedder_bundle, read_sentence_model
from modelyard.guards.injection import STEP, WINDOW
from modelyard.inference import Embedder, load_embedder
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.stats import wilson

from .attacks import attacks, harmless
from .run import MODEL

THRESHOLDS = (0.5, 0.8, 0.9)
_STRETCHES, _NEAR, _FOLDS = 3, 0.8, 5
_SAMPLE = 400

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Texts:
    """Stretches of texts by family: `vectors` (n, dimension), and for each which text it is of."""

    family: str
    vectors: Array
    text: NDArray[np.int64]


def main(folder: Path) -> int:
    """Train, measure, print."""
    folder.mkdir(parents=True, exist_ok=True)
    embedder = _embedder(folder / "embedder")
    bad = [_embedded(name, texts, embedder) for name, texts in attacks().items()]
    good = [_embedded(name, texts, embedder) for name, texts in harmless().items()]
    _measure(bad, good)
    digest = _classifier(folder, bad, good)
    (folder / "guards.yaml").write_text(
        f"guards:\n  - guard: injection\n    embedder: {embedder.digest}\n    classifier: {digest}\n"
    )
    return 0


def _measure(bad: Sequence[Texts], good: Sequence[Texts]) -> None:
    """Recall of each family that is left out, and false positives of what is left out."""
    parts = [good[at::_FOLDS] for at in range(_FOLDS)]
    scores = [_scores(_trained([*bad], [each for each in good if each not in part]), part) for part in parts]
    wrong = np.concatenate(scores)
    found = [(out.family, _scores(_trained(_apart(bad, out), good), [out])) for out in bad]
    for threshold in THRESHOLDS:
        _say(f"threshold {threshold}")
        _say(f"  false positives          {_share(wrong, threshold)}")
        for family, each in found:
            _say(f"  recall {family:<22}{_share(each, threshold)}")
        _say(f"  recall of all            {_share(np.concatenate([each for _, each in found]), threshold)}")


def _apart(bad: Sequence[Texts], out: Texts) -> list[Texts]:
    """The other families, without what is near to one that is left out."""
    kept = []
    for each in bad:
        if each is not out:
            far = (each.vectors @ out.vectors.T).max(axis=1) < _NEAR
            kept.append(Texts(each.family, each.vectors[far], each.text[far]))
    return kept


def _trained(bad: Sequence[Texts], good: Sequence[Texts]) -> LogisticRegression:
    rows = np.concatenate([each.vectors for each in (*bad, *good)])
    labels = np.repeat([1, 0], [sum(len(each.vectors) for each in some) for some in (bad, good)])
    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(rows, labels)


def _scores(model: LogisticRegression, some: Sequence[Texts]) -> NDArray[np.float64]:
    """(n_texts,): of each text the highest score of its stretches."""
    highest = []
    for each in some:
        scores = model.predict_proba(each.vectors)[:, 1]
        highest += [scores[each.text == at].max() for at in np.unique(each.text)]
    return np.array(highest)


def _share(scores: NDArray[np.float64], threshold: float) -> str:
    hits = int((scores >= threshold).sum())
    low, high = wilson(hits, len(scores)) or (0.0, 1.0)
    return f"{hits:>5} of {len(scores):<5} {hits / len(scores):.3f} ({low:.3f} to {high:.3f})"


def _embedded(family: str, texts: Sequence[str], embedder: Embedder) -> Texts:
    stretches = [(at, part) for at, text in enumerate(texts) for part in _stretches(text)]
    vectors = embedder.embed([part for _, part in stretches])
    return Texts(family, vectors, np.array([at for at, _ in stretches]))


def _stretches(text: str) -> list[str]:
    """As the guard takes them; the first few of a long text."""
    starts = range(0, max(1, len(text) - WINDOW + STEP), STEP)
    return [text[start : start + WINDOW] for start in starts[:_STRETCHES]]


def _classifier(folder: Path, bad: Sequence[Texts], good: Sequence[Texts]) -> str:
    """Build the bundle of the classifier of everything; its digest."""
    import joblib  # noqa: PLC0415 - scikit-learn's own

    model = _trained(bad, good)
    joblib.dump(model, folder / "classifier.joblib")
    rows = np.concatenate([each.vectors for each in (*bad, *good)])
    labels = np.repeat([1, 0], [sum(len(each.vectors) for each in some) for some in (bad, good)])
    drawn = np.random.default_rng(0).permutation(len(rows))[:_SAMPLE]
    columns = {f"v{at}": pa.array(column.astype(np.float64)) for at, column in enumerate(rows[drawn].T)}
    pq.write_table(pa.table({**columns, "attack": pa.array(labels[drawn])}), folder / "sample.parquet")
    given = BuildBundle(
        folder / "classifier.joblib",
        folder / "classifier",
        sample=folder / "sample.parquet",
        label="attack",
        name="injection",
    )
    shutil.rmtree(given.output, ignore_errors=True)
    return str(build_from_files(given)["digest"])


def _embedder(folder: Path) -> Embedder:
    if not folder.exists():
        model = read_sentence_model(Path(MODEL))
        build_embedder_bundle(model, [], facts=Facts(MODEL, "1", tolerance=1e-6), into=folder, quantize=True)
    return load_embedder(folder)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
