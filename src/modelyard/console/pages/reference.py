"""The control API for people: every route with what it takes, from the operations that the routes are derived from."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from modelyard.operations import Operation, catalogue

from ..api import input_model, method_of, path_of
from .frame import Ask, Page, Params

_KINDS = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "object",
    "null": "null",
}  # fmt: skip


def _all(_: Ask, __: Params) -> dict[str, Any]:
    return {"nouns": _nouns()}


@cache
def _nouns() -> dict[str, list[dict[str, Any]]]:
    """Routes by noun. They are those of the program, and change with it alone."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in catalogue():
        if not each.local:
            found.setdefault(each.noun or "workspace", []).append(_route(each))
    return found


def _route(operation: Operation[Any]) -> dict[str, Any]:
    schema = input_model(operation).model_json_schema()
    known, required = schema.get("$defs", {}), schema.get("required", ())
    return {
        "name": operation.name,
        "method": method_of(operation),
        "path": path_of(operation),
        "summary": operation.summary,
        "permission": operation.permission.value,
        "fields": [
            {
                "name": name,
                "kind": _kind(each, known),
                "required": name in required,
                "default": each.get("default"),
                "about": each.get("description", ""),
            }
            for name, each in schema.get("properties", {}).items()
        ],
    }


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """A type in words."""
    if "$ref" in schema:
        return _kind(known[schema["$ref"].rpartition("/")[2]], known)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each, known) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}), known)}"
    return _KINDS.get(str(schema.get("type", "")), "any value")


PAGES = (Page("/api/docs", "reference.html.j2", "api", _all),)
