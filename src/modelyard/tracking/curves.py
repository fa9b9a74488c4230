"""Learning curves: how metrics went by step, in bounded memory, and what models remember of their training."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelyard.drawing import Line, draw_lines, stacked

_POINTS, _CURVES = 1_000, 60
_PARTS = "train(?:ing)?|valid(?:ation)?|val|test|eval"
_PART = re.compile(rf"(?i)^(?:{_PARTS})[_./ -]|[_./ -](?:{_PARTS})$")


def measure_of(name: str) -> str:
    """What a metric measures, without the part of the data that its name begins or ends with: `loss` of `val_loss`."""
    return _PART.sub("", name) or name


class Curves:
    """The course of metrics that are logged with steps; of a long one every second point is dropped, over and over."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[int, float]]] = {}
        self._stride: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def note(self, name: str, step: int, value: float) -> None:
        """Take a point."""
        if name not in self._found and len(self._found) >= _CURVES:
            return
        points, stride = self._found.setdefault(name, []), self._stride.setdefault(name, 1)
        seen = self._seen[name] = self._seen.get(name, 0) + 1
        if (seen - 1) % stride:
            return
        points.append((step, value))
        if len(points) >= _POINTS:
            del points[1::2]
            self._stride[name] = 2 * stride

    def drawn(self) -> str | None:
        """A chart for each measure, with its course in training and validation together; None when nothing has any."""
        groups: dict[str, list[Line]] = {}
        for name, points in self._found.items():
            if len({step for step, _ in points}) > 1:
                ordered = sorted(points)
                line = Line(name, [float(step) for step, _ in ordered], [value for _, value in ordered])
                groups.setdefault(measure_of(name), []).append(line)
        charts = [draw_lines(measure, lines, "step", measure) for measure, lines in groups.items()]
        return stacked(charts) if charts else None


def remembered(model: Any) -> Iterator[tuple[str, Sequence[float]]]:
    """The courses that a fitted model holds: losses and scores by iteration, of training and validation.

    scikit-learn's boosting and networks (of a pipeline, the last step's), and what XGBoost and LightGBM were given to
    watch.
    """
    last = model.steps[-1][1] if hasattr(model, "steps") and hasattr(model, "named_steps") else model
    for held, name in (
        ("train_score_", "train_score"),
        ("validation_score_", "validation_score"),
        ("loss_curve_", "train_loss"),
        ("validation_scores_", "validation_score"),
    ):
        values = getattr(last, held, None)
        if values is not None and np.ndim(values) == 1 and len(values) > 1:
            yield name, [float(each) for each in values]
    for part, measures in _watched(last).items():
        for measure, values in measures.items():
            yield f"{part}_{measure}", [float(each) for each in values]


def _watched(model: Any) -> Mapping[str, Mapping[str, Sequence[float]]]:
    held = getattr(model, "evals_result_", None)
    if held is None and hasattr(model, "get_booster"):
        held = getattr(model, "evals_result", dict)
        try:
            held = held() if callable(held) else held
        except Exception:
            held = None
    return held if isinstance(held, Mapping) else {}
