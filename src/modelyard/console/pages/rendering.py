"""Pages as text: their templates, and how values are written in them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from markupsafe import Markup

from modelyard.core.durations import format_duration
from modelyard.drawing import render

from .frame import address
from .static import static_address

NAV = (
    ("overview", "/", "Overview"),
    ("models", "/models", "Models"),
    ("rollouts", "/rollouts", "Rollouts"),
    ("runs", "/runs", "Runs"),
    ("drift", "/drift", "Drift and quality"),
    ("features", "/features", "Features"),
    ("alerts", "/alerts", "Alerts"),
    ("loop", "/loop", "Loop"),
    ("judging", "/judging", "Judging"),
    ("audit", "/audit", "Audit"),
    ("settings", "/settings", "Settings"),
    ("api", "/api/docs", "Control API"),
)
"""The pages that every page leads to."""

_TONES = {
    "good": (
        "pass", "healthy", "done", "promoted", "resolved", "cached", "fresh", "agrees", "within",
        "production", "approved", "live",
    ),
    "bad": (
        "fail", "failed", "critical", "rolled_back", "rejected", "dead", "stopped", "aborted", "broken",
        "differs", "beyond",
    ),
    "warn": (
        "inconclusive", "warning", "pending", "unserved", "paused", "held", "interrupted", "waiting", "acknowledged",
        "silenced", "shadow", "stale", "never", "fires", "holds",
    ),
    "busy": (
        "running", "active", "rolling out", "canary", "rollout", "training", "registered", "started", "advanced",
        "triggered", "challenger", "staging",
    ),
}  # fmt: skip
_NONE = "\N{EN DASH}"
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words}
_WORDS = {"unserved": "no server", "empty": "nothing deployed", "idle": "at rest", "rolled_back": "rolled back"}


def shown_page(template: str, values: Mapping[str, Any]) -> str:
    """A page of the console."""
    shared = {"pages": NAV, "address": address, "static": static_address}
    return render("modelyard.console.pages", template, {**values, **shared}, _FILTERS)


def _instant(value: str | datetime | None) -> Markup:
    """An instant to the minute, in UTC; whole when pointed at."""
    if value in (None, ""):
        return Markup("{}").format(_NONE)
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.isoformat(sep=" ", timespec="seconds")[:19], at.strftime("%Y-%m-%d %H:%M")
    )


def _day(value: str) -> str:
    return str(value)[:10]


def _share(value: float | None, digits: int = 1) -> str:
    return _NONE if value is None else f"{100 * value:.{digits}f}%"


def _number(value: float | str | None, digits: int = 3) -> str:
    if value is None:
        return _NONE
    if isinstance(value, str):
        return value
    if abs(value) >= 1e9:
        return f"{value:.3g}"
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.{digits}f}" if abs(value) >= 1e-3 else f"{value:.{digits}g}"


def _tone(word: str | None) -> str:
    return _TONE_OF.get(str(word or "").lower(), "plain")


def _badge(word: str | None, tone: str = "") -> Markup:
    """A state as a word with a colour: never the colour alone."""
    text = _WORDS.get(str(word), str(word or _NONE).replace("_", " "))
    return Markup('<span class="badge {}">{}</span>').format(tone or _tone(word), text)


def _seconds(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.2f} s" if value < 60 else format_duration(timedelta(seconds=round(value)))


def _size(value: float | None) -> str:
    if value is None:
        return _NONE
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _setting(value: Any) -> str:
    """A setting as the project file would have it."""
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_setting, value)) or "none"
    return str(value)


def _data(value: Any) -> Markup:
    """A value as JSON that may stand in a page."""
    text = msgspec.json.encode(value, enc_hook=str).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704 - escaped


_FILTERS: dict[str, Callable[..., object]] = {
    "instant": _instant,
    "day": _day,
    "share": _share,
    "number": _number,
    "badge": _badge,
    "tone": _tone,
    "seconds": _seconds,
    "size": _size,
    "setting": _setting,
    "data": _data,
}
