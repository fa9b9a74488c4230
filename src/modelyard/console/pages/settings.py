"""Settings: what is in effect, and where each came from. Secrets are masked by the operation that tells them."""

from typing import Any

from modelyard.operations import Nothing, workspace

from .frame import Ask, Page, Params


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    wanted = params.get("find", "").strip()
    grouped: dict[str, list[dict[str, Any]]] = {}
    for each in ask(workspace.show_config, Nothing()):
        if wanted.lower() in str(each["path"]).lower():
            grouped.setdefault(str(each["path"]).partition(".")[0], []).append(each)
    return {"sections": grouped, "find": wanted}


PAGES = (Page("/settings", "settings.html.j2", "settings", _all),)
