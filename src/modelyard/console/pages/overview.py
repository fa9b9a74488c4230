"""How deployments do: a table of them all, and a page for each."""

from typing import Any

from modelyard.operations import watched

from . import charts
from .frame import Ask, Page, Params, number

_EACH = 20


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    """Every deployment a line; the only one with all that there is to say."""
    skip = number(params, "skip", 0)
    found = ask(watched.overview, watched.Overlook(brief=True, windows=1, skip=skip, limit=_EACH + 1))
    if len(found) == 1 and not skip:
        return {"skip": skip, "size": _EACH, "more": False, "found": [], **_one(ask, {"name": found[0]["deployment"]})}
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH, "one": None}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    (one,) = ask(watched.overview, watched.Overlook(deployment=params["name"]))
    points = one["history"]
    return {
        "one": one,
        "metrics": _metrics(one),
        "charts": {
            "performance": charts.performance(points, one["metric"]),
            "drift": charts.drift(points, one["drift_threshold"]),
            "scores": charts.scores(one["predictions"]),
            "traffic": charts.traffic(points),
        },
    }


_FIRST = ("accuracy", "precision", "recall", "f1", "auc", "mae", "rmse", "r2")


def _metrics(one: dict[str, Any]) -> list[dict[str, Any]]:
    """The usual metrics, and what else the newest window tells: on labels, as estimated, and the baseline."""
    window = one["window"]
    if window is None:
        return []
    names = {*window["performance"], *window["estimated"], *window["baseline"]}
    told = {*window["performance"], *window["estimated"]}
    order = [each for each in _FIRST if each in names] + sorted(told - set(_FIRST))
    return [
        {
            "name": name,
            "value": window["performance"].get(name),
            "interval": window["intervals"].get(name),
            "estimated": window["estimated"].get(name),
            "baseline": window["baseline"].get(name),
        }
        for name in order
    ]


PAGES = (
    Page("/", "overview.html.j2", "overview", _all),
    Page("/deployments/{name}", "deployment.html.j2", "overview", _one),
)
