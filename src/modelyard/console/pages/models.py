"""Models: their versions and stages, what a version is made of, approvals, history, rolling back."""

from typing import Any

from modelyard.access import Permission, PermissionDenied, authorize
from modelyard.operations import approving, cards, lineage, models, promotions

from . import charts
from .frame import Action, Ask, Document, Page, Params, address, number

_EACH = 25


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    """Models by name, each with its newest version and who holds which stage."""
    skip = number(params, "skip", 0)
    told = ask(models.list_names, models.ListNames(_EACH, skip))
    return {"found": told["models"], "total": told["total"], "skip": skip, "size": _EACH}


def _model(ask: Ask, params: Params) -> dict[str, Any]:
    name = params["name"]
    before = params.get("before")
    versions = ask(models.list_models, models.ListModels(name, limit=_EACH + 1, before=before))
    moves = ask(models.model_history, models.History(name))[::-1]
    return {
        "name": name,
        "versions": versions[:_EACH],
        "older": len(versions) > _EACH,
        "newest": before is None,
        "moves": moves[:30],
        "may": may(ask, Permission.OPERATE),
    }


def _version(ask: Ask, params: Params) -> dict[str, Any]:
    name = params["name"]
    version = ask(models.show_model, models.OneVersion(name, params["version"]))
    made = ask(lineage.model_lineage, models.OneVersion(name, str(version["number"])))
    return {
        "name": name,
        "version": version,
        "svg": made["svg"],
        "unknown": made["unknown"],
        "approvals": version["approvals"],
        "may_approve": may(ask, Permission.APPROVE),
        "may_operate": may(ask, Permission.OPERATE),
        "may_develop": may(ask, Permission.DEVELOP),
    }


def _compared(ask: Ask, params: Params) -> dict[str, Any]:
    """Versions side by side: those that are ticked (`v.3=on`), else the newest four."""
    name = params["name"]
    chosen = [key[2:] for key in params if key.startswith("v.")]
    listed = ask(models.list_models, models.ListModels(name, limit=60))
    wanted = chosen or [str(each["number"]) for each in listed[:4]][::-1]
    rows = ask(models.compare_models, models.Compare(name, tuple(wanted[:8])))
    metrics = list(dict.fromkeys(metric for row in rows for metric in row["metrics"]))
    names = list(dict.fromkeys(param for row in rows for param in row["params"]))
    metric = params.get("metric", "") if params.get("metric") in metrics else charts.usual(metrics)
    return {
        "name": name,
        "rows": rows,
        "metrics": metrics,
        "params": [(each, len({str(row["params"].get(each)) for row in rows}) > 1) for each in names],
        "metric": metric,
        "chart": charts.metric_bars(rows, metric),
        "listed": [(each["number"], each["label"]) for each in listed],
        "chosen": {row["number"] for row in rows},
    }


def _card(ask: Ask, params: Params) -> str:
    card = ask(cards.model_card, models.OneVersion(params["name"], params["version"]))
    return str(card["html"])


def may(ask: Ask, permission: Permission) -> bool:
    try:
        authorize(ask.principal, permission)
    except PermissionDenied:
        return False
    return True


def _back(params: Params) -> str:
    return address("/models", params["name"], params["version"])


def _answered(word: str) -> Any:
    return lambda result, _: (
        f"{result['name']} {result['label']} {word} for {result['alias']}; {result['missing']} more to come."
        if result["missing"]
        else f"{result['name']} {result['label']} {word} for {result['alias']}."
    )


def _happened(result: Any, _: Params) -> str:
    return "; ".join(f"{each['kind'].replace('_', ' ')}: {each['detail']}" for each in result) or "Nothing changed."


def _approve(params: Params) -> approving.Approve:
    return approving.Approve(
        params["name"], params["version"], params.get("stage") or "production", params.get("reason", "")
    )


PAGES = (
    Page("/models", "models.html.j2", "models", _all),
    Page("/models/{name}", "model.html.j2", "models", _model),
    Page("/models/{name}/compare", "compare.html.j2", "models", _compared),
    Page("/models/{name}/{version}", "version.html.j2", "models", _version),
)
DOCUMENTS = (Document("/models/{name}/{version}/card", "text/html", _card),)
ACTIONS = (
    Action(
        "/models/{name}/{version}/request", approving.request_approval, _approve, _answered("is to be approved"), _back
    ),
    Action("/models/{name}/{version}/approve", approving.approve, _approve, _answered("is approved"), _back),
    Action(
        "/models/{name}/{version}/reject",
        approving.reject,
        lambda params: approving.Reject(
            params["name"], params["version"], params.get("reason", ""), params.get("stage") or "production"
        ),
        lambda result, _: f"{result['name']} {result['label']} is rejected for {result['alias']}.",
        _back,
    ),
    Action(
        "/models/{name}/{version}/promote",
        promotions.promote,
        lambda params: promotions.Promote(
            params["name"], params["version"], params.get("stage") or "production", params.get("reason", "")
        ),
        _happened,
        _back,
    ),
    Action(
        "/models/{name}/rollback",
        promotions.roll_back_model,
        lambda params: promotions.RollBack(params["name"], params.get("reason") or "rolled back in the console"),
        _happened,
        lambda params: address("/models", params["name"]),
    ),
)
