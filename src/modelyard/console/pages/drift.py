"""Drift and data quality: a window feature by feature, beside what it is compared with."""

from typing import Any

from modelyard.core import NotFound
from modelyard.operations import watched

from . import charts
from .frame import Ask, Page, Params, number

_EACH, _DRAWN = 20, 24


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip = number(params, "skip", 0)
    found = ask(watched.overview, watched.Overlook(brief=True, windows=1, skip=skip, limit=_EACH + 1))
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    """The window that is asked for, or the newest; or none yet."""
    name, start = params["name"], params.get("window") or None
    try:
        told = ask(watched.show_window, watched.OneWindow(name, start))
    except NotFound as error:
        if start is not None or error.code != "NO_WINDOW":
            raise
        return {"name": name, "window": None}
    names = [each["name"] for each in told["window"]["features"]][:_DRAWN]
    drawn = [each for each in ("predictions", *names) if each in told["bins"]]
    return {
        "name": name,
        "window": told["window"],
        "starts": told["starts"],
        "importance": told["importance"],
        "charts": {each: charts.beside(told["bins"][each]) for each in drawn},
        "quality": {each["name"]: each for each in told["window"]["quality"]},
    }


PAGES = (
    Page("/drift", "drifts.html.j2", "drift", _all),
    Page("/drift/{name}", "drift.html.j2", "drift", _one),
)
