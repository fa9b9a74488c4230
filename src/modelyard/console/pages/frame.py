"""What a page is, what an action is, and how they ask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from modelyard.access import Principal
from modelyard.core import InvalidInput, shown
from modelyard.operations import Operation
from modelyard.operations.models import noticed_elsewhere

from ..desk import Desk
from ..later import Worked

Params = Mapping[str, str]
"""What the address of a page, or a form, says by name."""


@dataclass(frozen=True)
class Ask:
    """Asks a desk for one principal."""

    desk: Desk
    principal: Principal

    def __call__(self, operation: Operation[Any], given: Any) -> Any:
        """What the operation gives. Nobody looks at MLflow for a page: the control process does that by itself."""
        with noticed_elsewhere():
            return self.desk.carry_out(operation, given, self.principal)

    def later(self, operation: Operation[Any], given: Any, *, wait: bool = True) -> Worked:
        """The same of what may take long: not done yet, or its value. The page is shown anew when it is there.

        Who has waited for one already asks for others without.
        """
        with noticed_elsewhere():
            return self.desk.later(operation, given, self.principal, wait=wait)


Load = Callable[[Ask, Params], dict[str, Any]]


@dataclass(frozen=True)
class Page:
    """A page: `load` gives its template what it shows, and when that changes the page is shown anew."""

    path: str
    template: str
    nav: str
    load: Load


@dataclass(frozen=True)
class Document:
    """A document of its own that a page links to or shows: `load` gives its content."""

    path: str
    media: str
    load: Callable[[Ask, Params], str]


@dataclass(frozen=True)
class Download:
    """A file for people to keep: `load` gives where it lies, what it is called and its media type."""

    path: str
    load: Callable[[Ask, Params], tuple[str, str, str]]


@dataclass(frozen=True)
class Action:
    """A form: the operation that it carries out, what is said when that is done, and the page to go back to."""

    path: str
    operation: Operation[Any]
    given: Callable[[Params], Any]
    done: Callable[[Any, Params], str]
    back: Callable[[Params], str]


def address(path: str, /, *parts: str, **query: object) -> str:
    """An address of the console: parts are quoted, and what is None or empty is left out of the query."""
    told = {name: str(value) for name, value in query.items() if value not in (None, "")}
    where = "/".join([path.rstrip("/"), *(quote(each, safe="") for each in parts)]) or "/"
    return f"{where}?{urlencode(told)}" if told else where


def number(params: Params, name: str, default: int, *, most: int = 1_000_000) -> int:
    """A number of the query, from 0 on."""
    written = params.get(name, "")
    if not written:
        return default
    if not written.isdecimal() or len(written) > 9:
        raise InvalidInput(f"{name} is {shown(written)}, no number.", context={"path": name}, remedy="Leave it out.")
    return min(int(written), most)
