"""The training pipeline: flights whose fate is known, to a version that may serve."""

from datetime import datetime, timedelta

import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier

import modelyard as my

MODEL = "flight-delay"


@my.step(kind="data")
def load(as_of: datetime) -> pa.Table:
    """All flights whose label was known by then."""
    return my.context().services.dataset("flights", as_of)


@my.step(kind="transform")
def join(flights: pa.Table) -> pa.Table:
    """Weather, congestion and plane as they were known at each flight's prediction time."""
    return my.context().services.join(MODEL, flights)


@my.step(kind="validate")
def validate(rows: pa.Table) -> my.Judgement:
    """The declared checks, and no feature that tells the label by itself."""
    return my.context().services.check("flights", rows)


@my.step(kind="train")
def train(rows: pa.Table, as_of: datetime, holdout_days: int, complete_rows: bool) -> my.Candidate:
    """Learn from all but the last days."""
    past, _ = my.split_by_time(rows, "prediction_time", timedelta(days=holdout_days), as_of)
    samples = my.context().services.samples(MODEL, past, complete=complete_rows)
    categories = [field.kind == "category" for field in samples.signature.fields]
    params = {"max_iter": 100, "learning_rate": 0.1, "random_state": my.context().seed}
    model = HistGradientBoostingClassifier(categorical_features=categories, **params)
    return my.Candidate(model.fit(samples.matrix, samples.labels), samples, params)


@my.step(kind="evaluate")
def evaluate(rows: pa.Table, candidate: my.Candidate, as_of: datetime, holdout_days: int) -> dict[str, float]:
    """How the candidate does on the last days, which it has not seen."""
    complete = not any(field.nullable for field in candidate.samples.signature.fields)
    _, recent = my.split_by_time(rows, "prediction_time", timedelta(days=holdout_days), as_of)
    signature = candidate.samples.signature
    held_out = my.context().services.samples(MODEL, recent, signature=signature, complete=complete)
    return my.binary_metrics(candidate.model.predict_proba(held_out.matrix)[:, 1], held_out.labels)


@my.step(kind="evaluate")
def evaluate_champion(rows: pa.Table, as_of: datetime, holdout_days: int) -> dict[str, float]:
    """How the version in production does on the same days."""
    _, recent = my.split_by_time(rows, "prediction_time", timedelta(days=holdout_days), as_of)
    return my.context().services.champion_metrics(MODEL, recent)


@my.step(kind="register")
def register(candidate: my.Candidate, metrics: dict[str, float], gates: list[my.Judgement]) -> int:
    """Build the bundle and create the version."""
    return my.context().services.register(MODEL, candidate, metrics, gates)


@my.pipeline
def training(as_of: datetime, holdout_days: int = 7, min_auc: float = 0.6, complete_rows: bool = False) -> None:
    """Train a candidate on all history known at `as_of`.

    `complete_rows` leaves out flights with a missing value, as one does for models that cannot take them.
    """
    rows = join(load(as_of))
    validate(rows)
    candidate = train(rows, as_of, holdout_days, complete_rows)
    champion = evaluate_champion(rows, as_of, holdout_days)
    metrics = evaluate(rows, candidate, as_of, holdout_days)
    judged = my.gate(metrics, {"auc": min_auc}, champion, "auc", -0.01)
    register(candidate, metrics, [judged])
