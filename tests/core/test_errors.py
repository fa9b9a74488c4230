"""Errors carry what happened, what exists and what to do, everywhere they go."""

import pickle

import pytest

from modelyard.core import Conflict, InvalidInput, ModelyardError, NotFound, check_name, did_you_mean, nearest


def test_an_error_crosses_a_process_boundary_whole() -> None:
    """Pickling keeps the class, the code, the context and the remedy."""
    error = NotFound("No model 'x'.", code="NO_MODEL", context={"model": "x"}, remedy="List them: modelyard model list")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is NotFound
    assert (again.code, again.context, str(again)) == (error.code, error.context, str(error))


def test_what_would_move_a_terminals_cursor_is_spelled_out() -> None:
    """Escape sequences, carriage returns, writing turned around; lines, tabulators and other alphabets are text."""
    error = NotFound("No '\x1b[2J\r\u202eshop'.", remedy="Look at\n\t\u4e2d\x9b.")
    assert error.message == r"No '\x1b[2J\r\u202eshop'."
    assert error.remedy == "Look at\n\t\u4e2d\\x9b."


def test_a_branch_gives_its_code_unless_told_otherwise() -> None:
    """The class is the default code."""
    assert Conflict("Taken.").code == "CONFLICT"
    assert issubclass(Conflict, ModelyardError)


@pytest.mark.parametrize("name", ["a", "flight-delay", "v2.3", "A" * 128])
def test_good_names_pass(name: str) -> None:
    """Letters, digits, dots, dashes and underscores, up to 128 of them."""
    assert check_name("model", name) == name


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a b", "é", "A" * 129, "a\n", "a\x00"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    """Traversal, spaces, other alphabets, control characters and excess length never name anything."""
    with pytest.raises(InvalidInput, match="1 to 128 letters"):
        check_name("model", name)


def test_a_misspelt_name_gets_its_nearest() -> None:
    """The hint shows what exists and the likely intention, and stays short when much exists."""
    assert nearest("champoin", ["champion", "challenger"]) == "champion"
    assert nearest("zzz", ["champion"]) is None
    assert did_you_mean("tmep", ["temp", "dewp"]) == "There are: dewp, temp. Did you mean 'temp'?"
    assert "and 88 more" in did_you_mean("q", [f"n{number:03}" for number in range(100)])
