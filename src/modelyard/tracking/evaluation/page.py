"""An evaluation as one page of HTML that needs nothing but itself."""

from modelyard.drawing import render

from .figures import figures_of
from .groups import FEW
from .records import Evaluation

_PACKAGE = "modelyard.tracking.evaluation"


def evaluation_page(evaluation: Evaluation, title: str) -> str:
    """Metrics, figures, slices and groups; names and values of the data are escaped."""
    values = {
        "title": title,
        "evaluation": evaluation,
        "figures": list(figures_of(evaluation).values()),
        "columns": list(dict.fromkeys(name for each in evaluation.slices for name in each.metrics)),
        "groups": groups_part(evaluation),
    }
    return render(_PACKAGE, "evaluation.html.j2", values, {"interval": _interval})


def groups_part(evaluation: Evaluation) -> str:
    """The part of a page that shows how groups fare; empty when none were measured."""
    return render(_PACKAGE, "groups.html.j2", {"evaluation": evaluation, "few": FEW})


def _interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.3g} to {ends[1]:.3g}"
