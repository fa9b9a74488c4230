"""The figures of an evaluation."""

from collections.abc import Iterator

from modelyard.drawing import Bar, Line, draw_bars, draw_grid, draw_histogram, draw_lines

from .records import CurvePoints, Evaluation, Importance, Residuals

_UNIT = (0.0, 1.0)
_BARS = 25
_CELLS = 60


def figures_of(evaluation: Evaluation) -> dict[str, str]:
    """SVG pictures by name: those that the task and the answers allow."""
    return dict(_figures(evaluation))


def _figures(found: Evaluation) -> Iterator[tuple[str, str]]:
    if found.confusion:
        yield "confusion-matrix", _confusion(found)
    if found.roc:
        yield "roc", _roc(found)
    if found.precision_recall:
        yield "precision-recall", _precision_recall(found)
    if found.calibration is not None:
        yield "calibration", _calibration(found.calibration, found.task == "binary")
    if found.residuals is not None:
        yield "residuals", _scatter(found.residuals)
        yield (
            "residual-histogram",
            draw_histogram("Residuals", found.residuals.edges, found.residuals.counts, "prediction - label"),
        )
    if found.losses:
        yield (
            "permutation-importance",
            _bars("Permutation importance", found.losses, f"loss of {found.losses_in} when shuffled"),
        )
    if found.importances:
        yield "feature-importance", _bars("Feature importance", found.importances, "as the model holds it")


def _confusion(found: Evaluation) -> str:
    order = sorted(range(len(found.classes)), key=lambda at: -sum(found.confusion[at]))
    kept = sorted(order[:_CELLS])
    title = "Confusion matrix" + (f": the {_CELLS} commonest of {len(order)} classes" if len(order) > _CELLS else "")
    counts = [[found.confusion[row][column] for column in kept] for row in kept]
    return draw_grid(title, [found.classes[at] for at in kept], counts, "truth", "said")


def _roc(found: Evaluation) -> str:
    curves = [_line(each) for each in found.roc]
    chance = Line("", _UNIT, _UNIT, "dashed")
    title = "ROC" + (f" (AUC {found.metrics['auc']:.4f})" if "auc" in found.metrics else "")
    return draw_lines(title, [*curves, chance], "false positive rate", "true positive rate", x=_UNIT, y=_UNIT)


def _precision_recall(found: Evaluation) -> str:
    average = found.metrics.get("average_precision")
    title = "Precision and recall" + (f" (average precision {average:.4f})" if average is not None else "")
    curves = [_line(each) for each in found.precision_recall]
    return draw_lines(title, curves, "recall", "precision", x=_UNIT, y=_UNIT)


def _calibration(points: CurvePoints, binary: bool) -> str:  # noqa: FBT001 - of one caller
    held = Line("scores", points.x, points.y, "marked")
    ideal = Line("", _UNIT, _UNIT, "dashed")
    y_label = "share of positives" if binary else "share that is right"
    x_label = "mean score of the bin" if binary else "mean probability of the class that was said"
    return draw_lines("Calibration", [held, ideal], x_label, y_label, x=_UNIT, y=_UNIT)


def _scatter(found: Residuals) -> str:
    ends = (min(found.predicted), max(found.predicted))
    dots = Line("residual", found.predicted, found.residual, "dots")
    title = "Residuals by prediction"
    return draw_lines(title, [dots, Line("", ends, (0.0, 0.0), "dashed")], "prediction", "prediction - label")


def _bars(title: str, found: tuple[Importance, ...], label: str) -> str:
    more = f": {_BARS} of {len(found)} columns" if len(found) > _BARS else ""
    return draw_bars(title + more, [Bar(each.name, each.value, each.spread) for each in found[:_BARS]], label)


def _line(points: CurvePoints) -> Line:
    return Line(points.name, points.x, points.y)
