"""Guard sets: data with a digest, and what is wrong with one."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from modelyard.guards import Action, Armed, InvalidGuardSet, SchemaGuard, check, default_set, read_set


def test_equal_sets_have_equal_digests_however_they_are_written() -> None:
    """Defaults spelled out or not, keys in any order; another action is another set."""
    short = read_set({"guards": [{"guard": "secrets"}]})
    long = read_set(
        {
            "guards": [{"on": ["input", "output"], "kinds": [], "action": "redact", "guard": "secrets"}],
            "fail_closed": True,
        }
    )
    other = read_set({"guards": [{"guard": "secrets", "action": "flag"}]})
    assert short.digest == long.digest
    assert short.digest != other.digest
    assert read_set(json.loads(short.document)) == short


def test_each_side_has_its_guards() -> None:
    """Support and schemas are about answers."""
    guards = read_set({"guards": [{"guard": "support"}, {"guard": "personal_data"}, {"guard": "schema", "schema": {}}]})
    assert [each.guard.name for each in guards.armed("input")] == ["personal_data"]
    assert [(each.guard.name, each.action) for each in guards.armed("output")] == [
        ("support", Action.REDACT),
        ("personal_data", Action.REDACT),
        ("schema", Action.REFUSE),
    ]
    assert [each.guard.name for each in default_set().armed("input")] == ["personal_data", "secrets"]


def test_only_the_kinds_that_are_named_are_looked_for() -> None:
    """The rest passes."""
    guards = read_set({"guards": [{"guard": "personal_data", "kinds": ["card"]}]})
    assert check(guards.armed("output"), "a@b.co 4111111111111111").text == "a@b.co [CARD]"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"guards": [{"guard": "personal_data", "kinds": ["emial"]}]}, "Did you mean 'email'"),
    ({"guards": [{"guard": "schema", "schema": {"type": "objekt"}}]}, "no JSON Schema"),
]


@pytest.mark.parametrize(("document", "message"), WRONG)
def test_what_only_the_guard_knows_is_said_too(document: dict[str, Any], message: str) -> None:
    """Before any text comes."""
    with pytest.raises(InvalidGuardSet, match=message):
        read_set(document)


@pytest.mark.parametrize(
    "document",
    [{}, {"guards": []}, {"guards": [{"guard": "x"}]}, {"guards": [{"guard": "secrets", "actoin": "flag"}]},
     {"guards": [{"guard": "support", "overlap": 2}]}, {"guards": [{"guard": "secrets", "on": []}]}],
)  # fmt: skip
def test_a_set_that_says_too_little_or_too_much_is_refused(document: dict[str, Any]) -> None:
    """Unknown guards and keys, numbers out of range, no guard at all."""
    with pytest.raises(ValidationError):
        read_set(document)


def test_a_schema_fetches_nothing() -> None:
    """A reference to elsewhere is no reference: whoever follows it fails, and the answer with it."""
    guard = SchemaGuard({"$ref": "https://example.org/schema.json"})
    outcome = check([Armed(guard, Action.REFUSE)], "{}")
    assert (outcome.refused, outcome.failed, outcome.text) == (True, ("schema",), "")


@pytest.mark.parametrize(
    "answer", ["", "{", '{"a": Infinity}', '{"a": 1, "a": 1}', "[" * 100_000, '{"a": "x"}', "1e400"]
)
def test_what_is_no_json_of_the_schema_is_off_it(answer: str) -> None:
    """Half a document, NaN, keys written twice, a hundred thousand brackets."""
    assert not SchemaGuard({"type": "object", "properties": {"a": {"type": "number"}}}).keeps(answer)


def test_what_keeps_the_schema_leaves_as_it_came() -> None:
    """And only when it is whole."""
    guard = SchemaGuard({"type": "object", "required": ["a"]})
    assert check([Armed(guard, Action.REFUSE)], ' {"a": 1}\n').text == ' {"a": 1}\n'
