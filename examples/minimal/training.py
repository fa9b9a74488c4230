"""The training pipeline: from visits to a version that may serve."""

from datetime import datetime, timedelta

import pyarrow as pa

import modelyard as my

MODEL = "purchase"


@my.step(kind="data")
def load(as_of: datetime, window: dict[str, str] | None) -> pa.Table:
    """Visits whose outcome was known by then: all of them, or those that the window takes."""
    return my.context().services.dataset("visits", as_of, window)


@my.step(kind="validate")
def validate(rows: pa.Table) -> my.Judgement:
    """The declared checks, and no feature that tells the label by itself."""
    return my.context().services.check("visits", rows)


@my.step(kind="transform")
def split(rows: pa.Table, as_of: datetime) -> tuple[pa.Table, pa.Table]:
    """The past to learn from, and the last week to judge by."""
    return my.split_by_time(rows, "visited_at", timedelta(days=7), as_of)


@my.step(kind="train")
def train(parts: tuple[pa.Table, ...]) -> my.Candidate:
    """Learn from the past."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # here: only who trains waits for it

    samples = my.context().services.samples(MODEL, parts[0])
    categories = [field.kind == "category" for field in samples.signature.fields]
    recipe = {"max_iter": 100, "learning_rate": 0.1, "random_state": my.context().seed}
    model = HistGradientBoostingClassifier(categorical_features=categories, **recipe)
    return my.Candidate(model.fit(samples.matrix, samples.labels, samples.weights), samples, recipe)


@my.step(kind="evaluate")
def evaluate(candidate: my.Candidate, parts: tuple[pa.Table, ...]) -> dict[str, float]:
    """How the candidate does on the last week: as a whole, and by the slices and groups that the project declares."""
    return my.context().services.evaluate(MODEL, candidate, parts[1])


@my.step(kind="register")
def register(candidate: my.Candidate, metrics: dict[str, float], gates: list[my.Judgement]) -> int:
    """Build the bundle and create the version."""
    return my.context().services.register(MODEL, candidate, metrics, gates)


@my.pipeline
def training(as_of: datetime, min_auc: float = 0.6, window: dict[str, str] | None = None) -> None:
    """Train on the visits known at `as_of`; a worse model than `min_auc` is not registered.

    `window` says what of them counts: {length: 90d} the newest, {half_life: 30d} the newest most.
    """
    rows = load(as_of, window)
    validate(rows)
    parts = split(rows, as_of)
    candidate = train(parts)
    metrics = evaluate(candidate, parts)
    register(candidate, metrics, [my.gate(metrics, {"auc": min_auc})])
