"""Alerts: what fires, what was silenced by whom, and answering."""

from typing import Any

from modelyard.access import Permission
from modelyard.operations import Nothing, alerts

from .frame import Action, Ask, Page, Params, number
from .models import may

_EACH = 25
_ORDER = {"firing": 0, "pending": 1, "resolved": 2}


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    skip = number(params, "skip", 0)
    known = ask(alerts.list_alerts, alerts.Which(all=True))
    known.sort(key=lambda each: each["since"], reverse=True)
    known.sort(key=lambda each: _ORDER[each["state"]])
    return {
        "found": known[skip : skip + _EACH],
        "total": len(known),
        "firing": sum(each["state"] == "firing" for each in known),
        "skip": skip,
        "size": _EACH,
        "silences": ask(alerts.silences, Nothing()),
        "notices": ask(alerts.notices, Nothing())[:20],
        "may_answer": may(ask, Permission.DEVELOP),
        "may_silence": may(ask, Permission.OPERATE),
    }


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    return {
        "alert": ask(alerts.show_alert, alerts.One(params["fingerprint"])),
        "may_answer": may(ask, Permission.DEVELOP),
        "may_silence": may(ask, Permission.OPERATE),
    }


def _hold(params: Params) -> alerts.Hold:
    fields = ("name", "deployment", "severity")
    matchers = tuple(f"{field}={params[field]}" for field in fields if params.get(field))
    return alerts.Hold(matchers, params.get("reason", ""), params.get("until") or "2h")


def _back(_: Params) -> str:
    return "/alerts"


PAGES = (
    Page("/alerts", "alerts.html.j2", "alerts", _all),
    Page("/alerts/{fingerprint}", "alert.html.j2", "alerts", _one),
)
ACTIONS = (
    Action(
        "/alerts/{fingerprint}/ack",
        alerts.acknowledge,
        lambda params: alerts.Acknowledge(params["fingerprint"], params.get("until") or "4h", params.get("note", "")),
        lambda result, _: f"{result['name']} is acknowledged until {result['until'][:16].replace('T', ' ')} UTC.",
        _back,
    ),
    Action(
        "/silences",
        alerts.silence,
        _hold,
        lambda result, _: (
            f"Silenced until {result['until'][:16].replace('T', ' ')} UTC; "
            f"holds {len(result['firing_now'])} alert{'s' * (len(result['firing_now']) != 1)} back now."
        ),
        _back,
    ),
    Action(
        "/silences/{id}/end",
        alerts.unsilence,
        lambda params: alerts.Held(params["id"]),
        lambda result, _: f"The silence {result['id']} is over.",
        _back,
    ),
)
