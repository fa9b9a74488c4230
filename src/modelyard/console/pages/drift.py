"""Drift and data quality: a window, or any stretch of time, feature by feature beside what it is compared with."""

from collections.abc import Mapping
from typing import Any

from modelyard.core import InvalidInput, NotFound, Unavailable
from modelyard.operations import deployments, stretches, watched

from . import charts
from .frame import Ask, Page, Params, number

_EACH, _DRAWN = 20, 24
_ENDS = ("from", "to", "reference_from", "reference_to")


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip = number(params, "skip", 0)
    found = ask(watched.overview, watched.Overlook(brief=True, windows=1, skip=skip, limit=_EACH + 1))
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    """The stretch that is asked for by its ends; else the window that is asked for, or the newest, or none yet."""
    asked = {name: params.get(name, "").strip() for name in _ENDS}
    if any(asked.values()):
        return _page(params["name"], asked) | _stretch(ask, params["name"], asked)
    return _window(ask, params["name"], params.get("window") or None)


def _window(ask: Ask, name: str, start: str | None) -> dict[str, Any]:
    try:
        told = ask(watched.show_window, watched.OneWindow(name, start))
    except NotFound as error:
        if start is not None or error.code != "NO_WINDOW":
            raise
        return _page(name, dict.fromkeys(_ENDS, ""))
    window = told["window"]
    asked = {**dict.fromkeys(_ENDS, ""), "from": window["start"], "to": window["end"]}
    shown = {"window": window, "starts": told["starts"], "seen": window}
    return _page(name, asked) | shown | _compared(window, told["importance"], told["bins"])


def _stretch(ask: Ask, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """What was found, that it is being worked out, or what is wrong with what was asked."""
    ask(deployments.rollout_status, deployments.OneDeployment(name))  # NotFound for one that is not there
    given = stretches.Between(
        name, asked["from"], asked["to"] or None, asked["reference_from"] or None, asked["reference_to"] or None
    )
    try:
        if not asked["from"]:
            raise InvalidInput("From when on is not said.", remedy="Choose a beginning.")
        found = ask.later(stretches.drift_between, given)
    except (InvalidInput, NotFound, Unavailable) as error:
        return {"trouble": {"message": error.message, "remedy": error.remedy}}
    if not found.done:
        return {"working": True}
    told = found.value
    return {"seen": told} | _compared(told, told["importance"], told["bins"])


def _page(name: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """What stands on every such page: the ends as they were asked for, to the minute."""
    ends = {end: text[:16].replace("T", " ") for end, text in asked.items()}
    return {
        "name": name, "window": None, "starts": [], "seen": None, "working": False, "trouble": None, "charts": {},
        "importance": {}, "quality": {}, "asked": ends | {"whole": _whole(ends)},
    }  # fmt: skip


def _whole(ends: Mapping[str, str]) -> str:
    """The command that tells the same."""
    flags = {"from": "--from", "to": "--to", "reference_from": "--reference-from", "reference_to": "--reference-to"}
    return " ".join(f"{flags[name]} {text.replace(' ', 'T')}" for name, text in ends.items() if text)


def _compared(seen: Mapping[str, Any], importance: Mapping[str, float], bins: Mapping[str, Any]) -> dict[str, Any]:
    names = [each["name"] for each in seen["features"]][:_DRAWN]
    drawn = [each for each in ("predictions", *names) if each in bins]
    return {
        "importance": importance,
        "charts": {each: charts.beside(bins[each]) for each in drawn},
        "undrawn": max(0, len(seen["features"]) - _DRAWN),
        "quality": {each["name"]: each for each in seen["quality"]},
    }


PAGES = (
    Page("/drift", "drifts.html.j2", "drift", _all),
    Page("/drift/{name}", "drift.html.j2", "drift", _one),
)
