"""The tuning pipeline: parameters that suit the model, judged by folds in time, then challenged like any candidate.

It needs Optuna: pip install 'modelyard[search]'.
"""

from datetime import datetime

import numpy as np
import optuna
import pyarrow as pa
from training import MODEL, challenge, prepare

import modelyard as my


def objective(trial: optuna.Trial, rows: pa.Table) -> float:
    """The mean AUC of models that each learned from the past and were judged by what came next."""
    params = {
        "max_iter": trial.suggest_int("max_iter", 40, 200, step=20),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.3, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 8, 64, log=True),
    }
    scores: list[float] = []
    for fold, (past, present) in enumerate(my.folds(rows, 3, by="time:prediction_time")):
        scores.append(_auc(params, past, present))
        trial.report(float(np.mean(scores)), fold)
        if trial.should_prune():
            raise optuna.TrialPruned
    return float(np.mean(scores))


def _auc(params: dict[str, float], past: pa.Table, present: pa.Table) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier  # here: only who trains waits for it

    samples = my.context().services.samples(MODEL, past)
    categories = [field.kind == "category" for field in samples.signature.fields]
    model = HistGradientBoostingClassifier(categorical_features=categories, random_state=my.context().seed, **params)
    model.fit(samples.matrix, samples.labels)
    judged = my.context().services.samples(MODEL, present, signature=samples.signature)
    return my.binary_metrics(model.predict_proba(judged.matrix)[:, 1], judged.labels)["auc"]


@my.step(timeout="1h")
def search(parts: tuple[pa.Table, ...], trials: int, budget: str) -> dict[str, float]:
    """The best parameters on the first of the parts; the last days take no part in choosing them."""
    found = my.search(objective, {"rows": parts[0]}, trials=trials, patience=10, budget=budget)
    print(found.ended)
    return dict(found.params)


@my.pipeline
def tuning(
    as_of: datetime, trials: int = 20, budget: str = "10m", holdout_days: int = 7, min_auc: float = 0.58
) -> None:
    """Search parameters on all history known at `as_of`, and register what they give if it passes the gate."""
    rows, parts = prepare(as_of, holdout_days)
    challenge(rows, parts, search(parts, trials, budget), min_auc, complete_rows=False)
