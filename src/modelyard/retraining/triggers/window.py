"""What triggers that look at a window share."""

from typing import Any

from modelyard.monitoring import Window

from ..records import Said
from .seen import Seen


def nothing_seen(seen: Seen, kind: str) -> Said | None:
    """Why no window can tell anything, if so."""
    if seen.monitor is None:
        reason = f"'{seen.deployment}' is not watched: monitoring has no section of this name"
        return Said(kind, "unknown", reason)
    if seen.window is None:
        return Said(kind, "unknown", "no window of the live version has been judged yet")
    return None


def about(window: Window) -> dict[str, Any]:
    """Which window it was."""
    return {"window": [window.start, window.end], "version": window.version, "requests": window.requests}
