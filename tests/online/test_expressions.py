"""Expressions, against Python's own arithmetic on plain values, one row and many."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, Value
from modelyard.online.errors import InvalidExpression
from modelyard.online.expressions import FUNCTIONS, Kind, Program, compile_expression

NAMES: dict[str, Kind] = {
    "x": "number", "y": "number", "plane.x": "number", "s": "text", "t": "text", "p": "truth", "q": "truth",
    "at": "instant", "then": "instant",
}  # fmt: skip

HOUR = 3_600_000_000


def value(text: str, **row: Value) -> Value:
    """What an expression gives for one row."""
    names = {name.replace("__", "."): each for name, each in row.items()}
    return Program({"found": text}, NAMES).rows([names])[0]["found"]


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("x / y", {"x": 1, "y": 4}, 0.25),
        ("x / y", {"x": 1, "y": 0}, None),
        ("x // y + x % y", {"x": -7, "y": 2}, -3.0),
        ("x ** y", {"x": -8, "y": 1 / 3}, None),
        ("-x + +y", {"x": 2, "y": 0.5}, -1.5),
        ("x + 1", {"x": None}, None),
        ("x * 1e308 * 10", {"x": 1e10}, None),
        ("coalesce(x / y, -1)", {"x": 1, "y": 0}, -1.0),
        ("coalesce(x, y, 3)", {"x": None, "y": math.nan}, 3.0),
        ("plane.x - x", {"plane__x": 5, "x": 3}, 2.0),
        ("is_null(x)", {"x": math.nan}, True),
        ("is_null(s) or s == 'a'", {"s": "a"}, True),
        ("x > 1 and y > 1", {"x": 0, "y": None}, False),
        ("x > 1 and y > 1", {"x": 2, "y": None}, None),
        ("x > 1 or y > 1", {"x": 2, "y": None}, True),
        ("not p", {"p": False}, True),
        ("not p", {"p": None}, None),
        ("0 < x <= y < 10", {"x": 1, "y": 9}, True),
        ("0 < x <= y < 10", {"x": 1, "y": 10}, False),
        ("x if p else y", {"p": True, "x": 1, "y": None}, 1.0),
        ("x if p else None", {"p": False, "x": 1}, None),
        ("x if p else y", {"p": None, "x": 1, "y": 2}, None),
        ("s if p else 'none'", {"p": False, "s": "a"}, "none"),
        ("s + '-' + t", {"s": "a", "t": "b"}, "a-b"),
        ("s + t", {"s": "a", "t": None}, None),
        ("s in ['UA', 'AA']", {"s": "AA"}, True),
        ("s not in ['UA', 'AA']", {"s": None}, None),
        ("x in (1, 2.5)", {"x": 2.5}, True),
        ("lower(strip(s))", {"s": " ÄB "}, "äb"),
        ("length(s)", {"s": "äb"}, 2.0),
        ("contains(s, 'b') and starts_with(s, t)", {"s": "abc", "t": "ab"}, True),
        ("number(p) + number(q)", {"p": True, "q": True}, 2.0),
        ("p == q", {"p": True, "q": False}, False),
        ("min(x, y, 3) + max(x, y)", {"x": 5, "y": 4}, 8.0),
        ("clip(x, 0, 1)", {"x": 7}, 1.0),
        ("round(x)", {"x": 2.5}, 2.0),
        ("log1p(x)", {"x": -2}, None),
        ("sqrt(abs(x)) + floor(y) + ceil(y) + sign(x)", {"x": -4, "y": 1.5}, 4.0),
        ("at - then", {"at": 3 * HOUR, "then": HOUR}, 7200.0),
        ("at + 1.5", {"at": 10}, 1_500_010),
        ("hour(at)", {"at": -HOUR}, 23.0),
        ("weekday(at)", {"at": 0}, 3.0),
        ("year(at) * 10000 + month(at) * 100 + day(at)", {"at": 951_782_400_000_000}, 20_000_229.0),
        ("at > then", {"at": 1, "then": None}, None),
        ("2", {}, 2.0),
        ("'a'", {}, "a"),
        ("None == x", {"x": 1}, None),
    ],
)
def test_an_expression_gives(text: str, row: dict[str, Value], expected: Value) -> None:
    """Worked by hand."""
    found = value(text, **row)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x + * y", "cannot be read at character 5"),
        ("", "cannot be read"),
        ("x" * 3000, "has 3000 characters"),
        ("+".join(["x"] * 400), "more than 500 parts"),
        ("(" * 300 + "x" + ")" * 300, "cannot be read"),
        ("xx + 1", "there is no 'xx'"),
        ("plane.y", "there is no 'plane.y'"),
        ("sqr(x)", "there is no function 'sqr'"),
        ("sqrt(x, y)", "sqrt has 2 arguments"),
        ("coalesce(x)", "coalesce has 1 arguments"),
        ("s + x", "'s' is a text; a number must stand there"),
        ("p + 1", "'p' is a truth; a number must stand there"),
        ("x and p", "'x' is a number; a truth must stand there"),
        ("not x", "'x' is a number; a truth must stand there"),
        ("x if y else 1", "'y' is a number; a truth must stand there"),
        ("x if p else s", "'s' is a text"),
        ("coalesce(x, s)", "'s' is a text"),
        ("x == s", "'s' is a text"),
        ("p < q", "'p < q' orders truths"),
        ("x is None", "operator that there is not"),
        ("~x", "operator that there is not"),
        ("x | y", "operator that there is not"),
        ("x in s", "'s' is no list"),
        ("x in ['a']", "is no list of numbers"),
        ("x in []", "is no list"),
        ("[x]", "is not part of the language"),
        ("x.real.imag", "is not part of the language"),
        ("().__class__", "is not part of the language"),
        ("s.__class__", "there is no 's.__class__'"),
        ("__import__('os')", "there is no function '__import__'"),
        ("(lambda: 1)()", "is not part of the language"),
        ("sqrt(x=1)", "is not part of the language"),
        ("min(*[x, y], y)", "is not part of the language"),
        ("f'{x}'", "is not part of the language"),
        ("b'x'", "is no value"),
        ("1j", "is no value"),
        ("1e999", "is no value"),
        ("9007199254740993", "is no value"),
        ("(x := 1)", "is not part of the language"),
        ("None", "it is always null"),
        ("x\x00", "cannot be read"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, said: str) -> None:
    """With the place, what there is, and a bounded message; nothing of it is ever run."""
    with pytest.raises(InvalidExpression, match=re.escape(said)) as refused:
        compile_expression(text, NAMES)
    assert len(refused.value.message) < 400
    assert refused.value.remedy


def test_a_misspelt_name_gets_the_nearest() -> None:
    """Of names and of functions."""
    with pytest.raises(InvalidExpression) as refused:
        compile_expression("plane.xx", NAMES)
    assert "plane.x" in refused.value.remedy
    with pytest.raises(InvalidExpression) as refused:
        compile_expression("coalsce(x, 1)", NAMES)
    assert "coalesce" in refused.value.remedy


def test_whole_numbers_keep_their_digits_or_are_refused() -> None:
    """2^53 is a double; the next whole number is none."""
    assert value("x", x=2**53) == 2.0**53
    with pytest.raises(InvalidInput, match="2\\^53"):
        value("x", x=2**53 + 1)


def test_formulas_use_those_before_them() -> None:
    """In order; what is not needed is not asked for."""
    program = Program({"rate": "x / y", "high": "rate > 0.5"}, NAMES)
    assert program.kinds == {"rate": "number", "high": "truth"}
    assert program.inputs == {"x": "number", "y": "number"}
    assert program.rows([{"x": 3, "y": 4, "s": "unused"}, {"x": 1}]) == [
        {"rate": 0.75, "high": True},
        {"rate": None, "high": None},
    ]
    with pytest.raises(InvalidExpression, match="there is no 'high'"):
        Program({"rate": "number(high)", "high": "x > 1"}, NAMES)


def test_a_formula_of_no_columns_is_the_same_for_all_rows() -> None:
    """A constant needs no input, and still has a value for each row."""
    assert Program({"one": "1"}, NAMES).rows([{}, {}]) == [{"one": 1.0}, {"one": 1.0}]


NUMBERS = st.none() | st.integers(-5, 5) | st.floats(allow_nan=True, allow_infinity=False, width=64)
ROWS = st.fixed_dictionaries(
    {
        "x": NUMBERS, "y": NUMBERS, "plane.x": NUMBERS,
        "s": st.none() | st.text(max_size=3), "t": st.none() | st.sampled_from(["", "a", "UA"]),
        "p": st.none() | st.booleans(), "q": st.none() | st.booleans(),
        "at": st.none() | st.integers(-(2**50), 2**50), "then": st.none() | st.integers(-(2**50), 2**50),
    }
)  # fmt: skip


def _formula(kind: Kind) -> st.SearchStrategy[str]:
    return st.deferred(lambda: FORMULAS[kind])


def _called(kind: Kind) -> st.SearchStrategy[str]:
    def call(name: str) -> st.SearchStrategy[str]:
        takes = [_formula(kind if each == "any" else each) for each in FUNCTIONS[name].takes]
        return st.tuples(*takes).map(lambda arguments: f"{name}({', '.join(arguments)})")

    return st.sampled_from([name for name, each in FUNCTIONS.items() if each.gives in (kind, "any")]).flatmap(call)


def _written(form: str, *kinds: Kind) -> st.SearchStrategy[str]:
    return st.tuples(*map(_formula, kinds)).map(lambda parts: "(" + form.format(*parts) + ")")


def _of_numbers(sign: str) -> st.SearchStrategy[str]:
    return _written(f"{{}} {sign} {{}}", "number", "number")


FORMULAS: dict[Kind, st.SearchStrategy[str]] = {
    "number": st.sampled_from(["x", "y", "plane.x", "0", "2.5", "1e300"])
    | st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]).flatmap(_of_numbers)
    | _written("{} if {} else {}", "number", "truth", "number") | _written("-{}", "number")
    | _written("{} - {}", "instant", "instant") | _called("number"),
    "text": st.sampled_from(["s", "t", "'a'"]) | _written("{} + {}", "text", "text") | _called("text"),
    "truth": st.sampled_from(["p", "q", "True"])
    | st.sampled_from(["<", "<=", "==", "!=", ">", ">="]).flatmap(_of_numbers)
    | _written("{} == {}", "text", "text") | _written("{} in ['a', 'UA']", "text") | _written("not {}", "truth")
    | _written("{} and {}", "truth", "truth") | _written("{} or {}", "truth", "truth") | _called("truth"),
    "instant": st.sampled_from(["at", "then"]) | _called("instant"),
}  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(FORMULAS)).flatmap(_formula),
    st.lists(ROWS, min_size=1, max_size=9),
)
@example("exp(x)", [{"x": each / 7} for each in range(-30, 30)])
@example("log(x) + sin(y) ** 3", [{"x": each / 7, "y": each} for each in range(1, 70)])
def test_a_row_alone_has_the_same_value_bit_by_bit_as_among_others(text: str, rows: list[dict[str, Value]]) -> None:
    """Training computes whole columns, serving one row: no formula tells which."""
    try:
        program = Program({"found": text}, NAMES)
    except InvalidExpression as refused:
        too_long = "more than 500 parts" in refused.message or "characters" in refused.message
        assert too_long
        return
    together = [each["found"] for each in program.rows(rows)]
    alone = [program.rows([row])[0]["found"] for row in rows]
    assert repr(together) == repr(alone)
    kind = program.kinds["found"]
    python = {"number": float, "text": str, "truth": bool, "instant": int}[kind]
    assert all(each is None or type(each) is python for each in together)
    assert all(each is None or not isinstance(each, float) or math.isfinite(each) for each in together)


def _python(text: str, row: Mapping[str, Any]) -> Any:
    """The same by Python's own operators on plain numbers, for the part of the language that it shares."""
    try:
        found = eval(text, {"__builtins__": {}}, dict(row))
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(found, complex) or not math.isfinite(found) else found


SHARED: list[Callable[[str, str], str]] = [
    lambda left, right: f"({left} + {right})",
    lambda left, right: f"({left} - {right})",
    lambda left, right: f"({left} * {right})",
    lambda left, right: f"({left} / {right})",
    lambda left, right: f"({left} // {right})",
    lambda left, right: f"({left} % {right})",
    lambda left, right: f"({left} if {left} < {right} else {right})",
]


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.sampled_from(["x", "y", "3.0"]),
        lambda inner: st.tuples(st.sampled_from(SHARED), inner, inner).map(lambda each: each[0](each[1], each[2])),
        max_leaves=6,
    ),
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
)
def test_arithmetic_is_pythons(text: str, x: float, y: float) -> None:
    """On finite numbers; where Python raises, there is no value. A part without one leaves the whole without."""
    expected = _python(text, {"x": x, "y": y})
    found = value(text, x=x, y=y)
    if expected is None:
        assert found is None
    else:
        assert found == expected


def test_a_row_gives_the_same_bits_alone_and_among_thousands() -> None:
    """Powers too, which numpy computes in two ways: one exponent for all rows, or one each."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=4000) * 10.0 ** random.integers(-3, 4, 4000), np.abs(random.normal(size=4000)) * 3
    y[::3] = random.choice([2.0, 0.5, -1.0, 3.0], len(y[::3]))
    formulas = {
        "a": "x ** 2",
        "b": "abs(x) ** 0.5",
        "c": "x ** -1",
        "d": "abs(x) ** y",
        "e": "exp(x) + sin(x)",
        "f": "y ** 2",
    }
    program = Program(formulas, {"x": "number", "y": "number"})
    together = program.run({"x": x, "y": y})
    for at in range(len(x)):
        alone = program.run({"x": x[at : at + 1], "y": y[at : at + 1]})
        assert {name: each.tobytes() for name, each in alone.items()} == {
            name: each[at : at + 1].tobytes() for name, each in together.items()
        }
