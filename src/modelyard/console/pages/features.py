"""Features: views and services, how fresh each view is online, and whether what was served is what training sees."""

from typing import Any

from modelyard.core import InvalidInput, NotFound, Unavailable
from modelyard.operations import Nothing, definitions, deployments, features, workspace

from .frame import Ask, Page, Params

_EXAMPLES = 20


def _all(ask: Ask, _: Params) -> dict[str, Any]:
    found = ask(definitions.list_features, Nothing())
    return {"found": found, "deployments": _deployments(ask) if found else []}


def _one(ask: Ask, params: Params) -> dict[str, Any]:
    return {"told": ask(definitions.show_feature, definitions.Named(params["name"])), "name": params["name"]}


def _skew(ask: Ask, params: Params) -> dict[str, Any]:
    """The report, which reads the log and the sources, so it comes later; or why there is none."""
    name = params["name"]
    ask(deployments.rollout_status, deployments.OneDeployment(name))  # NotFound for one that is not there
    asked = {end: params.get(end, "").strip() for end in ("since", "until")}
    page = {"name": name, "asked": {**asked, "since": asked["since"] or "7d"}, "report": None, "why": None}
    given = features.Skew(name, asked["since"] or "7d", asked["until"] or None, examples=_EXAMPLES)
    try:
        found = ask.later(features.skew, given)
    except (InvalidInput, NotFound, Unavailable) as error:
        return page | {"why": {"message": error.message, "remedy": error.remedy}}
    return page | {"report": found.value, "remedies": features.SKEW_REMEDIES}


def _deployments(ask: Ask) -> list[str]:
    """The deployments that the project file declares; names may have dots in them."""
    paths = [str(each["path"]) for each in ask(workspace.show_config, Nothing())]
    named = [each.removeprefix("deployments.") for each in paths if each.startswith("deployments.")]
    return sorted({each.removesuffix(".model") for each in named if each.endswith(".model")})


PAGES = (
    Page("/features", "features.html.j2", "features", _all),
    Page("/features/skew/{name}", "skew.html.j2", "features", _skew),
    Page("/features/{name}", "feature.html.j2", "features", _one),
)
