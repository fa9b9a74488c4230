"""The training pipeline: from texts by family to a classifier that the guard of injections may ask."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import modelyard as my
from modelyard.guards import stretches
from modelyard.stats import wilson

MODEL = "injection"
PARTS = 5
"""Harmless families are left out in so many parts."""
FIRST = 3
"""So many stretches of a long text are learned from."""


@my.step(kind="data", reads=("texts",))
def load(as_of: datetime) -> pa.Table:
    """The texts, with their families."""
    return my.context().services.dataset("texts", as_of)


@my.step(kind="validate", reads=("texts",))
def validate(texts: pa.Table) -> my.Judgement:
    """The declared checks."""
    return my.context().services.check("texts", texts)


@my.step(kind="transform")
def embed(texts: pa.Table, embedder: str) -> pa.Table:
    """A row for each stretch that the guard would judge: which text it is of, its family, and its vector in columns."""
    parts = [(at, part) for at, text in enumerate(texts["text"].to_pylist()) for part in [*stretches(text)][:FIRST]]
    vectors = my.context().services.embedder(embedder).embed([part for _, part in parts])
    rows = texts.select(["family", "attack"]).take([at for at, _ in parts])
    columns = {f"v{at}": pa.array(column.astype(np.float64)) for at, column in enumerate(vectors.T)}
    return pa.table({"text": [at for at, _ in parts], "family": rows["family"], "attack": rows["attack"], **columns})


@my.step(kind="evaluate")
def score(rows: pa.Table, near: float) -> pa.Table:
    """Of each text its family, and the score that it gets from a classifier that has not seen this family.

    Each family of attacks is left out once, and of the other attacks what is within the cosine `near` of it; harmless
    families in parts. To choose a threshold by: modelyard pipeline fetch RUN score -o scores.arrow
    """
    attacks, harmless = _families(rows, attack=1), _families(rows, attack=0)
    left_out = [*([each] for each in attacks), *(harmless[at::PARTS] for at in range(PARTS))]
    return pa.concat_tables([_scored(_without(rows, some, near), _of(rows, some)) for some in left_out if some])


@my.step(kind="evaluate")
def measure(scores: pa.Table, threshold: float) -> dict[str, float]:
    """Recall and false positives with the bounds of 95%, and the recall of each family of attacks that was left out."""
    attacks, harmless = (scores.filter(pc.equal(scores["attack"], attack)) for attack in (1, 0))
    told = {f"recall {each}": _share(_of(attacks, [each]), threshold) for each in _families(attacks, attack=1)}
    return told | _bounded("recall", attacks, threshold) | _bounded("false_positives", harmless, threshold)


@my.step(kind="train")
def train(rows: pa.Table, embedder: str) -> my.Candidate:
    """Learn from all of them."""
    samples = my.context().services.samples(MODEL, rows)
    return my.Candidate(_fitted(samples.matrix, samples.labels), samples, {"embedder": embedder, "C": 10.0})


@my.step(kind="register")
def register(candidate: my.Candidate, metrics: dict[str, float], gates: list[my.Judgement]) -> int:
    """Build the bundle and create the version."""
    return my.context().services.register(MODEL, candidate, metrics, gates)


@my.pipeline
def training(
    as_of: datetime,
    embedder: str,
    threshold: float = 0.7,
    near: float = 0.8,
    min_recall: float = 0.5,
    max_false_positives: float = 0.12,
) -> None:
    """Train on the vectors of a registered embedder; register what surely keeps both limits on families left out.

    `threshold` is the one that the guard is to have, `near` the cosine of texts that say the same.
    """
    texts = load(as_of)
    validate(texts)
    rows = embed(texts, embedder)
    metrics = measure(score(rows, near), threshold)
    judged = my.gate(metrics, {"recall_lower": min_recall}, maximum={"false_positives_upper": max_false_positives})
    register(train(rows, embedder), metrics, [judged])


def _families(rows: pa.Table, *, attack: int) -> list[str]:
    return sorted(rows.filter(pc.equal(rows["attack"], attack))["family"].unique().to_pylist())


def _of(rows: pa.Table, families: Sequence[str]) -> pa.Table:
    return rows.filter(pc.is_in(rows["family"], pa.array(families)))


def _without(rows: pa.Table, families: Sequence[str], near: float) -> pa.Table:
    """The rows of other families, without attacks that are near to one of these."""
    left = rows.filter(pc.invert(pc.is_in(rows["family"], pa.array(families))))
    alike = (_vectors(left) @ _vectors(_of(rows, families)).T).max(axis=1) >= near
    known = left.filter(pa.array(~(alike & (left["attack"].to_numpy() == 1))))
    if len(known["attack"].unique()) < 2:
        raise ValueError(f"Nothing is left to learn from without {', '.join(families)}: add families that are unlike.")
    return known


def _scored(known: pa.Table, rows: pa.Table) -> pa.Table:
    """Each text of `rows` with the highest score of its stretches, by who knows `known`."""
    scores = _fitted(_vectors(known), known["attack"].to_numpy()).predict_proba(_vectors(rows))[:, 1]
    scored = rows.select(["text", "family", "attack"]).append_column("score", pa.array(scores))
    found = scored.group_by(["text", "family", "attack"]).aggregate([("score", "max")])
    return found.rename_columns(["text", "family", "attack", "score"])


def _fitted(matrix: NDArray[np.float64], labels: NDArray[np.float64]) -> LogisticRegression:
    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(matrix, labels)


def _vectors(rows: pa.Table) -> NDArray[np.float64]:
    """(n, d)."""
    names = [each for each in rows.column_names if each not in ("text", "family", "attack")]
    return np.column_stack([rows[each].to_numpy() for each in names])


def _share(scores: pa.Table, threshold: float) -> float:
    return float(np.mean(scores["score"].to_numpy() >= threshold))


def _bounded(name: str, scores: pa.Table, threshold: float) -> dict[str, float]:
    hits = int(np.sum(scores["score"].to_numpy() >= threshold))
    lower, upper = wilson(hits, len(scores)) or (0.0, 1.0)
    return {name: _share(scores, threshold), f"{name}_lower": lower, f"{name}_upper": upper}
