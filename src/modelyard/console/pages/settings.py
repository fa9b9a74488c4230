"""Settings: what is in effect, and where each came from. Secrets are masked by the operation that tells them."""

from typing import Any

from modelyard.operations import Nothing, workspace

from .frame import Ask, Page, Params

_MOST = 300
"""So many settings stand on the page; a project of a hundred models has thousands."""


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    """What is declared; with a word to find also what is by default."""
    wanted = params.get("find", "").strip()
    known = ask(workspace.show_config, Nothing())
    if wanted:
        fitting = [each for each in known if wanted.lower() in str(each["path"]).lower()]
    else:
        fitting = [each for each in known if each["source"] != "default"]
    grouped: dict[str, list[dict[str, Any]]] = {}
    for each in fitting[:_MOST]:
        grouped.setdefault(str(each["path"]).partition(".")[0], []).append(each)
    return {"sections": grouped, "find": wanted, "total": len(known), "more": max(0, len(fitting) - _MOST)}


PAGES = (Page("/settings", "settings.html.j2", "settings", _all),)
