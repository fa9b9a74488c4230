"""Evaluations of real models, their figures' numbers against scikit-learn's."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import calibration, inspection, metrics
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelyard.core import InvalidInput, ManualClock
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.tracking import Declared, Evaluation, Evaluations, evaluate, with_declared
from modelyard.tracking.evaluation import evaluation_page, figures_of


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, pd.DataFrame, pd.Series]:
    """A logistic regression of two classes, with the rows it has not seen and their labels."""
    rows, labels = load_breast_cancer(return_X_y=True, as_frame=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows[::2], labels[::2])
    return model, rows[1::2], labels[1::2]


def test_the_figures_of_two_classes_hold_the_numbers_of_scikit_learn(cancer: tuple[Any, Any, Any]) -> None:
    """Confusion matrix, ROC, precision and recall, calibration, and every metric."""
    model, rows, labels = cancer
    found = evaluate(model, labels, rows=rows, importance=False)
    scores = model.predict_proba(rows)[:, 1]
    assert (found.task, found.rows, found.classes) == ("binary", len(labels), ("0", "1"))
    np.testing.assert_array_equal(found.confusion, metrics.confusion_matrix(labels, model.predict(rows)))
    x, y, _ = metrics.roc_curve(labels, scores)
    assert set(zip(found.roc[0].x, found.roc[0].y, strict=True)) <= set(zip(x, y, strict=True))
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    curve = found.precision_recall[0]
    assert set(zip(curve.y, curve.x, strict=True)) <= set(zip(precision, recall, strict=True))
    share, mean = calibration.calibration_curve(labels, scores, n_bins=10)
    assert found.calibration is not None
    np.testing.assert_allclose((found.calibration.x, found.calibration.y), (mean, share))
    assert found.metrics == pytest.approx({
        "accuracy": model.score(rows, labels),
        "precision": metrics.precision_score(labels, model.predict(rows)),
        "recall": metrics.recall_score(labels, model.predict(rows)),
        "f1": metrics.f1_score(labels, model.predict(rows)),
        "auc": metrics.roc_auc_score(labels, scores),
        "average_precision": metrics.average_precision_score(labels, scores),
        "log_loss": metrics.log_loss(labels, scores),
        "brier": metrics.brier_score_loss(labels, scores),
        "calibration_error": found.metrics["calibration_error"],
    })  # fmt: skip


def test_a_column_is_worth_what_shuffling_it_costs(cancer: tuple[Any, Any, Any]) -> None:
    """About what scikit-learn finds, which draws other orders; the model's own coefficients stand beside it."""
    _, every, labels = cancer
    rows = every.iloc[:, :6]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    found = evaluate(model, labels, rows=rows)
    assert found.losses_in == "auc"
    ours = {each.name: each.value for each in found.losses}
    theirs = inspection.permutation_importance(model, rows, labels, scoring="roc_auc", n_repeats=5, random_state=0)
    for name, value in zip(rows.columns, theirs.importances_mean, strict=True):
        assert ours[name] == pytest.approx(value, abs=0.02)
    own = {each.name: each.value for each in found.importances}
    assert own == pytest.approx(dict(zip(rows.columns, model[-1].coef_[0], strict=True)))
    assert evaluate(model, labels, rows=rows).losses == found.losses


def test_a_slice_has_the_metrics_of_its_rows(cancer: tuple[Any, Any, Any]) -> None:
    """By value of a column that the model does not see, by quarter of one it does, and what is missing apart."""
    model, rows, labels = cancer
    ward = np.array(["north", "south", None], dtype=object)[np.arange(len(labels)) % 3]
    found = evaluate(model, labels, rows=rows, slices={"ward": ward, "radius": rows["mean radius"]}, importance=False)
    by_value = {(each.column, each.value): each for each in found.slices}
    assert {value for column, value in by_value if column == "ward"} == {"north", "south", "missing"}
    north = by_value["ward", "north"]
    assert north.rows == (ward == "north").sum()
    assert north.metrics["accuracy"] == pytest.approx(model.score(rows[ward == "north"], labels[ward == "north"]))
    quarters = [each for each in found.slices if each.column == "radius"]
    assert len(quarters) == 4
    assert sum(each.rows for each in quarters) == len(labels)
    named = evaluate(model, labels, rows=rows, slices=["mean radius"], importance=False)
    assert [each.metrics for each in named.slices] == [each.metrics for each in quarters]


def test_classes_are_told_by_their_names() -> None:
    """Three of them, as strings; curves one against the rest."""
    rows, codes = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[codes]
    model = RandomForestClassifier(20, random_state=0).fit(rows[::2], labels[::2])
    found = evaluate(model, labels[1::2], rows=rows[1::2], names=["a", "b", "c", "d"])
    assert (found.task, found.classes) == ("multiclass", ("setosa", "versicolor", "virginica"))
    assert [each.name for each in found.roc] == list(found.classes)
    assert found.metrics["auc"] == pytest.approx(
        metrics.roc_auc_score(labels[1::2], model.predict_proba(rows[1::2]), multi_class="ovr")
    )
    assert {each.name for each in found.losses} == {"a", "b", "c", "d"}
    assert found.importances[0].value == pytest.approx(model.feature_importances_.max())


def test_values_have_residuals() -> None:
    """Of a regression; the histogram counts every row."""
    rows, labels = load_diabetes(return_X_y=True)
    model = LinearRegression().fit(rows, labels)
    found = evaluate(model, labels, rows=rows)
    assert (found.task, found.losses_in, found.confusion) == ("regression", "r2", ())
    assert found.residuals is not None
    counts, edges = np.histogram(model.predict(rows) - labels, bins=len(found.residuals.counts))
    assert found.residuals.counts == tuple(counts)
    np.testing.assert_allclose(found.residuals.edges, edges)
    assert found.metrics["r2"] == pytest.approx(model.score(rows, labels))


def test_a_model_reads_tables_as_it_was_trained() -> None:
    """A pipeline over numbers and strings, asked with an Arrow table, whose columns are shuffled one by one."""
    random = np.random.default_rng(0)
    table = pa.table({"age": random.normal(size=200), "plan": random.choice(["free", "gold"], 200)})
    labels = (table["plan"].to_numpy(zero_copy_only=False) == "gold").astype(int)
    front = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["plan"])])
    model = make_pipeline(front, LogisticRegression()).fit(table.to_pandas(), labels)
    found = evaluate(model, labels, rows=table, slices=["plan"])
    assert found.losses[0].name == "plan"
    assert found.losses[0].value > 0.3
    assert {each.name for each in found.importances} == {"n__age", "c__plan_free", "c__plan_gold"}


@pytest.mark.parametrize(
    ("answers", "labels", "task"),
    [
        ([0.2, 0.7, 0.4], [0, 1, 1], "binary"),
        ([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4]], ["no", "yes", "yes"], "binary"),
        ([True, False, True], [True, True, False], "binary"),
        (["a", "b", "a"], ["a", "b", "c"], "multiclass"),
        ([1, 2, 3], [1, 2, 2], "multiclass"),
        ([1.5, 2.5, 3.25], [1.0, 2.0, 3.0], "regression"),
        ([1.0, 2.0, 3.0], [1.25, 2.0, 3.0], "regression"),
        (lambda rows: [0.1, 0.9, 0.9], [0, 1, 0], "binary"),
    ],
)
def test_the_task_is_told_from_answers_and_labels(answers: Any, labels: Any, task: str) -> None:
    """Probabilities, classes of any type, values; a function of rows is a model."""
    found = evaluate(answers, labels, rows=[[1.0], [2.0], [3.0]], importance=False)
    assert found.task == task
    assert found.metrics


def test_answers_that_are_classes_have_no_curves() -> None:
    """Neither a threshold nor a probability; what can be told is."""
    found = evaluate([0, 1, 1, 0], [0, 1, 0, 0])
    assert found.roc == ()
    assert found.calibration is None
    assert set(found.metrics) == {"accuracy", "precision", "recall", "f1"}
    assert found.confusion == ((2, 1), (0, 1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"subject": [0.1], "labels": [0, 1]}, "1 answers for 2 labels"),
        ({"subject": [0.1, 0.2], "labels": [0, None]}, "1 of 2 labels are missing"),
        ({"subject": [0.1, np.nan], "labels": [0, 1]}, "1 of 2 answers are no finite numbers"),
        ({"subject": [0.1, 1.7], "labels": [0, 1], "task": "binary"}, "are no probabilities"),
        (
            {"subject": ["a", "z"], "labels": ["a", "b"], "classes": ["a", "b"]},
            "'z', which is none of the classes: a, b",
        ),
        ({"subject": [], "labels": []}, "shape"),
        ({"subject": LinearRegression(), "labels": [1.0]}, "nothing to answer"),
        ({"subject": [[0.1, 0.9]], "labels": [2], "classes": [0, 1, 2]}, "2 probabilities a row for 3 classes"),
        ({"subject": [0, 1], "labels": [0, 1], "slices": ["x"]}, "no rows to take the column 'x' of"),
        ({"subject": [0, 1], "labels": [0, 1], "slices": {"x": [1]}}, "shape"),
        ({"subject": [0, 1], "labels": [0, 1], "rows": {"age": [1, 2]}, "slices": ["aeg"]}, "no column 'aeg'"),
        ({"subject": [0, 1], "labels": [0, 1], "rows": [1, 2]}, "1 dimensions"),
        ({"subject": ["x", "y"], "labels": [1.5, 2.5], "task": "regression"}, "are no numbers: 'x'"),
    ],
)
def test_what_cannot_be_judged_is_told(given: dict[str, Any], said: str) -> None:
    """With the numbers, and what to do about it."""
    with pytest.raises(InvalidInput, match=said) as caught:
        evaluate(given.pop("subject"), given.pop("labels"), **given)
    assert caught.value.remedy
    assert len(str(caught.value)) < 400


def test_the_page_stands_alone_and_names_are_text() -> None:
    """Figures by name; nothing is fetched, nothing of the data is markup; JSON gives the same evaluation."""
    hostile = "<script>alert(1)</script>"
    found = evaluate([0.1, 0.9, 0.6], [hostile, "b", "b"], classes=[hostile, "b"], slices={hostile: ["<b>", "x", "x"]})
    page = evaluation_page(found, hostile)
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    figures = figures_of(found)
    assert set(figures) == {"confusion-matrix", "roc", "precision-recall", "calibration"}
    for svg in figures.values():
        ElementTree.fromstring(svg)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Evaluation) == found


def rated(rows: int = 400) -> tuple[Any, Any, Any]:
    """Probabilities, labels, and a group of which one is small and one is said yes too often."""
    random = np.random.default_rng(5)
    group = np.array(["north"] * (rows - 12) + ["south"] * 12)
    group[: rows // 2] = "east"
    labels = (random.random(rows) < 0.4).astype(int)
    scores = np.clip(0.25 + 0.4 * labels + random.normal(0, 0.2, rows) + 0.2 * (group == "east"), 0, 1)
    return scores, labels, group


def test_a_group_has_the_rates_of_scikit_learn() -> None:
    """Selection, true and false positive rate and precision, each with its interval and its rows."""
    scores, labels, group = rated()
    (table,) = evaluate(scores, labels, groups={"region": group}).groups
    said = scores > 0.5
    for each in table.groups:
        own = group == each.value
        no, yes = metrics.confusion_matrix(labels[own], said[own], labels=[0, 1])
        expected = {
            "selection_rate": said[own].mean(),
            "true_positive_rate": metrics.recall_score(labels[own], said[own]),
            "false_positive_rate": no[1] / no.sum(),
            "precision": metrics.precision_score(labels[own], said[own]),
        }
        assert {name: rate.value for name, rate in each.rates.items()} == pytest.approx(expected)
        assert each.rates["true_positive_rate"].rows == yes.sum()
        assert all(rate.low <= rate.value <= rate.high for rate in each.rates.values())  # type: ignore[operator]
        whole = table.overall["selection_rate"].value
        assert each.rates["selection_rate"].difference == pytest.approx(said[own].mean() - whole)


def test_a_group_of_few_rows_is_shown_and_compared_with_none() -> None:
    """The gap is between the others, however far the small one is from them."""
    scores, labels, group = rated()
    scores[group == "south"] = 1.0
    (table,) = evaluate(scores, labels, groups={"region": group}).groups
    small = next(each for each in table.groups if each.value == "south")
    assert (small.rows, small.rates["selection_rate"].value, small.rates["selection_rate"].few) == (12, 1.0, True)
    gap = next(each for each in table.gaps if each.rate == "selection_rate")
    assert (gap.lowest, gap.highest) == ("north", "east")
    assert gap.difference == pytest.approx(gap.highest_value - gap.lowest_value)
    assert gap.ratio == pytest.approx(gap.lowest_value / gap.highest_value)
    assert "12" in evaluation_page(evaluate(scores, labels, groups={"region": group}), "few")


def test_groups_of_other_tasks_have_the_rates_that_these_have() -> None:
    """Accuracy of several classes; errors of values, which have no ratio."""
    said = np.array(["a", "b", "c"] * 40)
    (table,) = evaluate(said, np.roll(said, 30), groups={"g": ["x", "y"] * 60}).groups
    assert set(table.overall) == {"accuracy"}
    (values,) = evaluate([1.5] * 80, [1.0, 2.0] * 40, task="regression", groups={"g": ["x", "y"] * 40}).groups
    assert [(gap.rate, gap.difference, gap.ratio) for gap in values.gaps] == [("mae", 0.0, None), ("bias", 1.0, None)]
    assert {each.value: each.rates["bias"].value for each in values.groups} == {"x": 0.5, "y": -0.5}


def test_every_metric_that_has_an_interval_lies_in_it(cancer: tuple[Any, Any, Any]) -> None:
    """For all rows and in every slice; a calibration error has none."""
    model, rows, labels = cancer
    found = evaluate(model, labels, rows=rows, importance=False, slices=["mean radius"])
    assert set(found.metrics) - set(found.intervals) == {"calibration_error"}
    for metrics_, intervals in [(found.metrics, found.intervals)] + [(s.metrics, s.intervals) for s in found.slices]:
        assert all(low <= metrics_[name] <= high for name, (low, high) in intervals.items())


def test_declared_columns_are_measured_and_missing_ones_told() -> None:
    """Where nothing else was asked for; what was asked for stays."""
    rows = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    declared = Declared(slices=("b", "gone"), groups=("b",))
    found = with_declared({"rows": rows}, declared)
    assert (found["slices"], found["groups"], found["absent"]) == (["b"], ["b"], ["gone"])
    assert "groups" in with_declared({"rows": rows, "slices": ()}, declared)
    assert with_declared({"rows": rows, "slices": ()}, declared)["slices"] == ()
    assert with_declared({}, declared)["absent"] == ["b", "gone"]
    assert with_declared({}, Declared()) == {}


def test_whole_numbers_among_gaps_are_called_as_they_were_meant() -> None:
    """1 and not 1.0, though a missing value made floats of them."""
    found = evaluate([0.2, 0.7, 0.4], [0, 1, 1], slices={"floor": [1.0, 2.0, np.nan]})
    assert [each.value for each in found.slices] == ["1", "2", "missing"]


def test_an_evaluation_is_found_by_its_metrics_and_by_its_run(tmp_path: Path, clock: ManualClock) -> None:
    """The newest; of several of one run the one without a name; and the bytes are those that were kept."""
    records = open_record_store(f"sqlite:///{tmp_path / 'records.db'}")
    records.migrate()
    kept = Evaluations(records, open_artifact_store(tmp_path / "artifacts"), clock)
    first, second = evaluate([0.2, 0.7, 0.4], [0, 1, 1]), evaluate([0.2, 0.7, 0.6], [0, 1, 1])
    kept.keep(first, run="one", name="holdout")
    digest = kept.keep(second, run="one")
    assert kept.by_run("one") == kept.by_metrics(second.metrics) == digest
    assert kept.read(digest) == second
    assert kept.by_metrics({**second.metrics, "auc": 0.5}) is None
    assert (kept.by_metrics({}), kept.by_run("two")) == (None, None)
    records.close()
