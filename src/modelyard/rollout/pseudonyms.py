"""Under which names entities stand in the log."""

from collections.abc import Callable

from modelyard.routing import Route, pseudonym

from .records import Rollout


def pseudonyms(rollout: Rollout) -> Callable[[str], str] | None:
    """Under which name an entity stands in the log of a rollout; None where it is its own."""
    if not rollout.plan.hidden:
        return None
    route = Route(rollout.deployment, "", 0, (), rollout.plan.salt or rollout.deployment)
    return lambda entity: pseudonym(route, entity)
