"""Pages of HTML that need nothing but themselves: how templates are found, escaped and filled."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2 import Environment

Filter = Callable[..., object]


def render(package: str, template: str, values: Mapping[str, Any], filters: Mapping[str, Filter] | None = None) -> str:
    """A template of a package, filled; every value is escaped unless it is `Markup`.

    A template may begin with `{% extends "page.html.j2" %}`, the frame of every page: light and dark, and a policy that
    lets nothing be fetched and no script run. It has the blocks `title`, `style` and `body`. Besides `filters` there
    are `figure` (see `as_text`), `count` (1,000) and `drawn` (an SVG that one of ours drew, as it is).
    """
    page: str = _environment(package, tuple((filters or {}).items())).get_template(template).render(dict(values))
    return page


def as_text(value: float | str | None, digits: int = 4) -> str:
    """A figure as a page says it: `-` where there is none."""
    return "-" if value is None else value if isinstance(value, str) else f"{value:.{digits}g}"


@cache
def _environment(package: str, filters: tuple[tuple[str, Filter], ...]) -> "Environment":
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only pages pay for it

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("modelyard.drawing")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": as_text, "count": _count, "drawn": Markup, **dict(filters)}
    return environment


def _count(value: int) -> str:
    return f"{value:,}"
