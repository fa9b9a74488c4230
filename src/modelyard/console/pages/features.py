"""Features: views and services, and how fresh each view is online."""

from typing import Any

from modelyard.operations import Nothing, definitions

from .frame import Ask, Page, Params


def _all(ask: Ask, _: Params) -> dict[str, Any]:
    return {"found": ask(definitions.list_features, Nothing())}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    return {"told": ask(definitions.show_feature, definitions.Named(params["name"])), "name": params["name"]}


PAGES = (
    Page("/features", "features.html.j2", "features", _all),
    Page("/features/{name}", "feature.html.j2", "features", _one),
)
