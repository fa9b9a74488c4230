"""What definitions as they are now do to a model that was built on others."""

from collections.abc import Iterator
from typing import Any

from modelyard.online import FeaturePlan, ViewPlan, table_of

from .applied import Described

_MEANING = {
    "event_time": "its event time is",
    "available_at": "what says when a row was known is",
    "slide": "its slide is",
}
_VIEW = "feature view/"


def broken(plan: FeaturePlan, before: Described, now: Described) -> list[str]:
    """Why a model with this plan is no longer served what it was trained on; nothing when it is.

    `before` are the definitions that were applied last, which say what types and meaning were. What a bundle carries
    itself (ttl, policies, expressions) does not break it: it keeps its own.
    """
    return [why for view in plan.views for why in _broken_view(view, before.get(_VIEW + view.name), now)]


def _broken_view(plan: ViewPlan, before: dict[str, Any] | None, now: Described) -> Iterator[str]:
    view = now.get(_VIEW + plan.name)
    if view is None or "keys" not in view:
        yield f"it reads view '{plan.name}', which is no longer defined"
        return
    keys, features = tuple(view["keys"]), view["features"]
    gone = [name for name in plan.read if name not in features]
    for name in gone:
        yield f"it reads '{plan.name}:{name}', which view '{plan.name}' no longer has"
    if keys != plan.entity_keys:
        yield f"it reads view '{plan.name}' by {', '.join(plan.entity_keys)}, and its keys are now {', '.join(keys)}"
    elif not gone and table_of(plan.name, keys, tuple(features)) != plan.table:
        yield (
            f"the features of view '{plan.name}' are no longer {', '.join(plan.stored)[:120]}: rows with them are not "
            f"written any more"
        )
    if before is not None:
        yield from _other_meaning(plan, before, view)


def _other_meaning(plan: ViewPlan, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for kind in ("keys", "features"):
        for name in plan.entity_keys if kind == "keys" else plan.read:
            was, is_ = (each.get(kind, {}).get(name) for each in (before, now))
            if was is not None and is_ is not None and was != is_:
                yield f"'{plan.name}:{name}' was {was}, and is now {is_}"
    for name, words in _MEANING.items():
        if before.get(name) != now.get(name):
            yield f"view '{plan.name}' means something else: {words} {now.get(name)}, and was {before.get(name)}"
    for name in plan.read:
        was, is_ = (each.get("aggregations", {}).get(name) for each in (before, now))
        if was != is_:
            yield f"'{plan.name}:{name}' was the {was}, and is now the {is_}"
