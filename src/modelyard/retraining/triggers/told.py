"""Triggers that somebody else pulls: an alert that fires, and a webhook."""

from ..records import Said
from .seen import Seen


def alert(seen: Seen, name: str) -> Said:
    """Whether an alert fires for the deployment.

    One that has fired since before the last cycle ended counts again once a window of the live version was judged:
    until then it speaks of an earlier champion.
    """
    found = next((each for each in seen.firing if each.alert.name == name), None)
    if found is None:
        return Said("alert", "calm", f"alert {name} does not fire", {"alert": name})
    evidence = {
        "alert": name, "since": found.since, "value": found.alert.metric_value, "threshold": found.alert.threshold,
        "message": found.alert.message,
    }  # fmt: skip
    if seen.loop.ended_at > found.since and seen.window is None:
        return Said("alert", "unknown", f"alert {name} fires since before the live version was judged", evidence)
    return Said("alert", "fires", f"alert {name}: {found.alert.message}", evidence)


def webhook(seen: Seen, name: str) -> Said:
    """Whether it was fired since the last cycle began."""
    at = seen.loop.fired.get(name)
    if at is None:
        return Said("webhook", "calm", f"{name} was not fired", {"webhook": name})
    return Said("webhook", "fires", f"{name} was fired", {"webhook": name, "fired_at": at})
