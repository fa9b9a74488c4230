"""Judging: queues of answers, one answer at a time without a word of whose it is, and how far people agree."""

from typing import Any

from modelyard.access import Permission
from modelyard.operations import Nothing, judging

from .frame import Action, Ask, Page, Params, address
from .models import may

_DISPUTED = 50


def _all(ask: Ask, _: Params) -> dict[str, Any]:
    return {"queues": ask(judging.list_queues, Nothing())}


def _next(ask: Ask, params: Params) -> dict[str, Any]:
    """The next one for who looks, or the one that the address names."""
    found = ask(judging.next_answer, judging.NextAnswer(params["name"], params.get("item")))
    return {"name": params["name"], "found": found, "item": found["item"], "may": may(ask, Permission.DEVELOP)}


def _agreement(ask: Ask, params: Params) -> dict[str, Any]:
    """Labels of everybody are read for it, so it comes when it is there."""
    worked = ask.later(judging.agreement, judging.OneQueue(params["name"]))
    if not worked.done:
        return {"name": params["name"], "told": None}
    told = worked.value
    disputed = [each for each in told["votes"] if each["passed"] and each["failed"]]
    return {"name": params["name"], "told": told, "disputed": disputed[:_DISPUTED], "more": len(disputed) - _DISPUTED}


def _labelled(result: dict[str, Any], _: Params) -> str:
    corrected = " It was corrected; what it was before is on record." if result["history"] else ""
    return f"You said {result['label']}.{corrected}"


PAGES = (
    Page("/judging", "queues.html.j2", "judging", _all),
    Page("/judging/{name}", "judging.html.j2", "judging", _next),
    Page("/judging/{name}/agreement", "agreement.html.j2", "judging", _agreement),
    Page("/judging/{name}/items/{item}", "judging.html.j2", "judging", _next),
)
ACTIONS = (
    Action(
        "/judging/{name}/items/{item}/label",
        judging.label_answer,
        lambda params: judging.LabelAnswer(
            params["name"], params["item"], params.get("label", ""), params.get("note", "").strip()
        ),
        _labelled,
        lambda params: address("/judging", params["name"]),
    ),
)
