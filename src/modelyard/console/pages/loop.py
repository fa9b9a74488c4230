"""The retraining loop: where each model's is, how it came there, and why it acts or does not."""

from typing import Any, get_args

from modelyard.access import Permission
from modelyard.operations import Nothing, loop, workspace
from modelyard.retraining import State

from .frame import Ask, Page, Params
from .models import may

_STATES = get_args(State)


def _all(ask: Ask, _: Params) -> dict[str, Any]:
    return {"found": [_told(ask, name) for name in _names(ask)]}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    return {**_told(ask, params["name"]), "may": may(ask, Permission.DEVELOP)}


def _told(ask: Ask, name: str) -> dict[str, Any]:
    status = ask(loop.retrain_status, loop.Model(name))
    why = ask(loop.explain, loop.Model(name))
    return {
        "name": name,
        "state": status["state"],
        "history": status["history"][:-80:-1],
        "why": why["explanation"],
        "triggers": _parts(why["trigger"]),
        "holds": why["holds"],
        "states": _STATES,
    }


def _parts(said: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The triggers themselves, without what combines them."""
    if said is None:
        return []
    return [each for part in said["parts"] for each in _parts(part)] if said["parts"] else [said]


def _names(ask: Ask) -> list[str]:
    """The models that the project file says how to retrain; names may have dots in them."""
    paths = [str(each["path"]) for each in ask(workspace.show_config, Nothing())]
    settings = [each.removeprefix("retraining.") for each in paths if each.startswith("retraining.")]
    return sorted({each.removesuffix(".pipeline") for each in settings if each.endswith(".pipeline")})


PAGES = (
    Page("/loop", "loops.html.j2", "loop", _all),
    Page("/loop/{name}", "loop.html.j2", "loop", _one),
)
