"""The retraining loop: where each model's is, how it came there, and why it acts or does not."""

from typing import Any

from modelyard.access import Permission
from modelyard.operations import Nothing, loop, models, workspace

from .frame import Ask, Page, Params
from .models import may

_STATES = ("idle", "training", "registered", "rollout")


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
        "states": _STATES,
    }


def _names(ask: Ask) -> list[str]:
    """The models that the project file says how to retrain; names may have dots in them."""
    paths = [each["path"] for each in ask(workspace.show_config, Nothing())]
    known = {each["name"] for each in ask(models.list_models, models.ListModels())}
    declared = {each.split(".")[1] for each in paths if each.startswith("retraining.")}
    return sorted({name for name in known | declared if any(each.startswith(f"retraining.{name}.") for each in paths)})


PAGES = (
    Page("/loop", "loops.html.j2", "loop", _all),
    Page("/loop/{name}", "loop.html.j2", "loop", _one),
)
