"""The training pipeline: flights whose fate is known, to a version that may serve."""

from datetime import datetime, timedelta

import pyarrow as pa

import modelyard as my

MODEL = "flight-delay"
RECIPE = {"max_iter": 100, "learning_rate": 0.1}
"""What the model is trained with unless a search found better."""

Prepared = tuple[pa.Table, tuple[pa.Table, ...]]


@my.step(kind="data", reads=("flights",))
def load(as_of: datetime, window: dict[str, str] | None) -> pa.Table:
    """The flights whose label was known by then: all of them, or those that the window takes."""
    return my.context().services.dataset("flights", as_of, window)


@my.step(kind="transform")
def join(flights: pa.Table) -> pa.Table:
    """Weather, congestion and plane as they were known at each flight's prediction time."""
    return my.context().services.join(MODEL, flights)


@my.step(kind="validate", reads=("flights",))
def validate(rows: pa.Table) -> my.Judgement:
    """The declared checks, and no feature that tells the label by itself."""
    return my.context().services.check("flights", rows)


@my.step(kind="transform")
def split(rows: pa.Table, as_of: datetime, holdout_days: int) -> tuple[pa.Table, pa.Table]:
    """The past to learn from, and the last days to judge by."""
    return my.split_by_time(rows, "prediction_time", timedelta(days=holdout_days), as_of)


@my.step(kind="validate")
def check_parts(parts: tuple[pa.Table, ...]) -> my.Judgement:
    """No flight stands in both parts, and all of the past is past."""
    return my.check_split({"past": parts[0], "last days": parts[1]}, keys=["flight_id"], time="prediction_time")


@my.step(kind="train")
def train(parts: tuple[pa.Table, ...], params: dict[str, float], complete_rows: bool) -> my.Candidate:
    """Learn from the first of the parts, with these parameters of the model."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # here: only who trains waits for it

    samples = my.context().services.samples(MODEL, parts[0], complete=complete_rows)
    categories = [field.kind == "category" for field in samples.signature.fields]
    recipe = {**params, "random_state": my.context().seed}
    model = HistGradientBoostingClassifier(categorical_features=categories, **recipe)
    return my.Candidate(model.fit(samples.matrix, samples.labels, samples.weights), samples, recipe)


@my.step(kind="evaluate")
def evaluate(candidate: my.Candidate, parts: tuple[pa.Table, ...]) -> dict[str, float]:
    """How the candidate does on the last days, which it has not seen: as a whole, by slice and by group."""
    complete = not any(field.nullable for field in candidate.samples.signature.fields)
    return my.context().services.evaluate(MODEL, candidate, parts[1], complete=complete)


@my.step(kind="evaluate")
def compare(candidate: my.Candidate, parts: tuple[pa.Table, ...], complete_rows: bool) -> dict[str, float]:
    """How much better it is than the version in production on the same days and the same rows, with an interval."""
    return my.context().services.challenge(MODEL, candidate, parts[1], metric="auc", complete=complete_rows)


@my.step(kind="register")
def register(candidate: my.Candidate, metrics: dict[str, float], gates: list[my.Judgement]) -> int:
    """Build the bundle and create the version."""
    return my.context().services.register(MODEL, candidate, metrics, gates)


@my.pipeline
def challenge(
    rows: pa.Table, parts: tuple[pa.Table, ...], params: dict[str, float], min_auc: float, complete_rows: bool
) -> None:
    """Register what these parameters give, if it is good on the last days, and surely not much worse than what is in
    production: by no more than .02 of AUC.
    """
    candidate = train(parts, params, complete_rows)
    compared = compare(candidate, parts, complete_rows)
    metrics = evaluate(candidate, parts)
    judged = my.gate(metrics, {"auc": min_auc}, beat_champion_in="auc", margin=-0.02, challenge=compared)
    register(train([rows], params, complete_rows), metrics, [judged])  # the same recipe, the last days included


@my.pipeline
def prepare(as_of: datetime, holdout_days: int, window: dict[str, str] | None = None) -> Prepared:
    """Rows that were found good, and their parts."""
    rows = join(load(as_of, window))
    validate(rows)
    parts = split(rows, as_of, holdout_days)
    check_parts(parts)
    return rows, parts


@my.pipeline
def training(
    as_of: datetime,
    holdout_days: int = 7,
    min_auc: float = 0.58,
    complete_rows: bool = False,
    window: dict[str, str] | None = None,
) -> None:
    """Train a candidate on the history known at `as_of`.

    `complete_rows` leaves out flights with a missing value, as one does for models that cannot take them. `window` says
    what of the history counts: {length: 90d} the newest, {half_life: 30d} the newest most.
    """
    rows, parts = prepare(as_of, holdout_days, window)
    challenge(rows, parts, RECIPE, min_auc, complete_rows)
