"""Rollouts: who has how much of the traffic, what the evidence says, how a shadow answers, and what people decide."""

from datetime import datetime, timedelta
from typing import Any

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, Unavailable
from modelyard.operations import deployments, models, responses, watched
from modelyard.rollout import ALL_STRATEGIES

from . import charts
from .frame import Action, Ask, Page, Params, address, number
from .models import may

_EACH, _OFFERED = 20, 30


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
        "diff": _diff(ask, params["name"], rollout),
        "start": _offered(ask, params["name"], rollout) if may(ask, Permission.OPERATE) else None,
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


def _diff(ask: Ask, name: str, rollout: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the shadow answered beside what was given: read from the log, so it comes later."""
    if rollout is None or rollout["plan"]["strategy"] != "shadow":
        return None
    try:
        found = ask.later(responses.rollout_diff, responses.DiffResponses(name))
    except (InvalidInput, NotFound, Unavailable) as error:
        return {"told": None, "why": error.message}
    if not found.done:
        return {"told": None, "why": "The log is being read."}
    return {"told": found.value, "why": "", "chart": charts.deltas(found.value["histogram"])}


def _offered(ask: Ask, name: str, rollout: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a rollout may be started with; None while one is under way."""
    if rollout is not None and rollout["state"] == "active":
        return None
    (told,) = ask(watched.overview, watched.Overlook(deployment=name, brief=True, windows=1))
    known = ask(models.list_models, models.ListModels(told["model"], limit=200))
    live = told["live"]["version"] if told["live"] else None
    servable = [each for each in known if each["servable"] and not each["archived"] and each["number"] != live]
    versions = [{"number": each["number"], "label": each["label"]} for each in servable[:_OFFERED]]
    return {"model": told["model"], "versions": versions, "strategies": ALL_STRATEGIES}


def _by_hand(params: Params) -> deployments.ByHand:
    return deployments.ByHand(params["name"], params.get("reason", ""))


def _started(params: Params) -> deployments.StartRollout:
    """As the form says; what is left empty is as the project declares it."""
    return deployments.StartRollout(
        params["name"],
        params.get("to", ""),
        params.get("strategy") or None,
        params.get("steps", "").strip() or None,
        params.get("dwell", "").strip() or None,
        number(params, "min_requests", 0) or None,
    )


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
        _started,
        _told,
        _back,
    ),
)
