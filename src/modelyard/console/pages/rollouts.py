"""Rollouts: who has how much of the traffic, what the evidence says, and the decisions that people take."""

from datetime import datetime, timedelta
from typing import Any

from modelyard.access import Permission
from modelyard.operations import deployments, watched

from . import charts
from .frame import Action, Ask, Page, Params, address, number
from .models import may

_EACH = 20


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip = number(params, "skip", 0)
    found = ask(watched.overview, watched.Overlook(brief=True, windows=1, skip=skip, limit=_EACH + 1))
    return {"found": found[:_EACH], "more": len(found) > _EACH, "skip": skip, "size": _EACH}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    which = deployments.OneDeployment(params["name"])
    status = ask(deployments.rollout_status, which)
    told = ask(deployments.rollout_evidence, which)
    history = ask(deployments.rollout_history, which)
    rollout = status["rollout"]
    return {
        "name": params["name"],
        "progress": status["progress"],
        "route": status["route"],
        "rollout": rollout,
        "bounds": told["bounds"],
        "history": history[:-60:-1],
        "more": max(0, len(history) - 59),
        "diff": _diff(rollout),
        "charts": {
            "weights": charts.weights(_lately(told["weights"], rollout), rollout["looked_at"] if rollout else ""),
            "evidence": charts.evidence(told["trail"], told["bounds"]),
        },
        "may": may(ask, Permission.OPERATE),
    }


def _lately(weights: list[dict[str, Any]], rollout: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The latest rollout and what was live before; without one the newest generations."""
    if rollout is None:
        return weights[-20:]
    found = [each for each in weights if each["generation"] >= rollout["first_generation"] - 1] or weights[-1:]
    began, looked = (datetime.fromisoformat(rollout[each]) for each in ("started_at", "looked_at"))
    shown = (began - max(looked - began, timedelta(minutes=1)) / 5).isoformat()
    return [{**found[0], "at": max(found[0]["at"], shown)}, *found[1:]]


def _diff(rollout: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a shadow was found to answer, as of the last look."""
    if rollout is None or rollout["plan"]["strategy"] != "shadow":
        return None
    return {name: value for name, value in rollout["evidence"].items() if not isinstance(value, dict)}


def _by_hand(params: Params) -> deployments.ByHand:
    return deployments.ByHand(params["name"], params.get("reason", ""))


def _told(result: dict[str, Any], _: Params) -> str:
    return f"{str(result['kind']).replace('_', ' ').capitalize()}: {result['detail']}"


def _back(params: Params) -> str:
    return address("/rollouts", params["name"])


PAGES = (
    Page("/rollouts", "rollouts.html.j2", "rollouts", _all),
    Page("/rollouts/{name}", "rollout.html.j2", "rollouts", _one),
)
ACTIONS = (
    Action("/rollouts/{name}/pause", deployments.pause, _by_hand, _told, _back),
    Action("/rollouts/{name}/resume", deployments.resume, _by_hand, _told, _back),
    Action(
        "/rollouts/{name}/advance",
        deployments.advance,
        lambda params: deployments.Advance(params["name"], None, params.get("reason", "")),
        _told,
        _back,
    ),
    Action("/rollouts/{name}/promote", deployments.promote_rollout, _by_hand, _told, _back),
    Action(
        "/rollouts/{name}/rollback",
        deployments.roll_back,
        lambda params: deployments.TakeBack(params["name"], params.get("reason") or "rolled back in the console"),
        _told,
        _back,
    ),
    Action(
        "/rollouts/{name}/start",
        deployments.start_rollout,
        lambda params: deployments.StartRollout(params["name"], params.get("to", ""), params.get("strategy") or None),
        _told,
        _back,
    ),
)
