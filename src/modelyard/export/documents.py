"""Values as YAML with comments, and templates of text: the same values give the same bytes."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from jinja2 import Environment

_NOTE = re.compile(r"^(\s*)'#\d*': (.*)$", re.MULTILINE)
_RAW = re.compile(r"'?⟦(.*?)⟧'?")
_WIDTH = 100


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; lists indented below their key; nothing by reference."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - the library's
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def document(value: Any, comment: str = "") -> str:
    """One YAML document, with a comment before it.

    A key `#` (`#1`, `#2`, …) of a mapping is a comment before the key that follows. `raw(…)` inside texts stands as it
    is, for templates of others.
    """
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False)
    text = _NOTE.sub(_as_comment, text)
    return commented(comment) + _RAW.sub(r"\1", text)


def documents(parts: Iterable[str]) -> str:
    """Several documents in one file."""
    return "---\n".join(parts)


def raw(text: str) -> str:
    """A value that is not to be quoted as YAML: a template's expression."""
    return f"⟦{text}⟧"


def commented(text: str, mark: str = "# ") -> str:
    """A text as lines of comment, wrapped; empty for an empty text."""
    lines = [line for paragraph in text.splitlines() for line in _wrapped(paragraph, _WIDTH)]
    return "".join(f"{mark}{line}".rstrip() + "\n" for line in lines)


def as_json(value: Any) -> str:
    """A value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def fill(template: str, values: Mapping[str, Any]) -> str:
    """A template of this room, filled; every name that it uses must be there."""
    filled: str = _environment().get_template(template).render(dict(values))
    return filled


def _as_comment(found: re.Match[str]) -> str:
    indent, told = found[1], yaml.safe_load(found[2])
    return "\n".join(f"{indent}# {line}" for line in _wrapped(str(told), _WIDTH - len(indent)))


def _wrapped(text: str, width: int) -> list[str]:
    lines, current = [], ""
    for word in text.split(" "):
        if current and len(current) + 1 + len(word) > width:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current]


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only texts pay for it

    environment = Environment(
        loader=PackageLoader("modelyard.export"),
        autoescape=False,  # noqa: S701 - the texts are no HTML; what goes into them was checked with the project file
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        variable_start_string="<<",
        variable_end_string=">>",
    )
    environment.filters["comment"] = commented
    return environment
