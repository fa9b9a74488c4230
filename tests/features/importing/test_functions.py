"""Functions of on-demand views as expressions: what is understood, and what is refused with the reason."""

import pytest

from modelyard.features.importing.errors import Untranslatable
from modelyard.features.importing.functions import expressions_of

INPUTS = {"a": "a", "b": "b", "v__a": "v.a", "word": "word"}

UNDERSTOOD = [
    ("inputs['a'] + inputs['b'] * 2", "a + b * 2"),
    ("(inputs['a'] + inputs['b']) / inputs['v__a']", "(a + b) / v.a"),
    ("inputs['a'].fillna(0).abs()", "abs(coalesce(a, 0))"),
    ("np.where(inputs['a'] > 1, inputs['b'], 0)", "b if a > 1 else 0"),
    ("(inputs['a'] > 1) & ~(inputs['b'] <= 2) | inputs['a'].isna()", "a > 1 and (not b <= 2) or is_null(a)"),
    ("np.log1p(inputs['a'].astype(float)).clip(0, 1)", "clip(log1p(a), 0, 1)"),
    ("inputs['word'].str.lower() == 'x'", "lower(word) == 'x'"),
    ("-inputs['a'] ** 2", "-a ** 2"),
]


@pytest.mark.parametrize(("python", "expression"), UNDERSTOOD)
def test_arithmetic_of_columns_becomes_an_expression(python: str, expression: str) -> None:
    """Operators, comparisons, the usual methods of pandas and NumPy; with the binding that Python has."""
    text = f"def f(inputs):\n    'Doc.'\n    out = pd.DataFrame()\n    out['x'] = {python}\n    return out\n"
    assert expressions_of(text, ["x"], INPUTS) == {"x": expression}


@pytest.mark.parametrize(
    "body",
    [
        "    return {'x': inputs['a'], 'y': inputs['b']}",
        "    out = {'x': inputs['a'], 'y': inputs['b']}\n    return out",
        "    out: pd.DataFrame = pd.DataFrame({'x': inputs['a']})\n    out['y'] = inputs['b']\n    return out",
        "    one = inputs['a']\n    return pd.DataFrame({'y': inputs['b'], 'x': one})",
    ],
)
def test_features_may_be_gathered_in_any_of_the_usual_ways(body: str) -> None:
    """An empty frame, a frame or dict at once, with names for what is between; decorated or not."""
    text = f"@on_demand_feature_view(sources=[v])\ndef f(inputs):\n{body}\n"
    assert expressions_of(text, ["x", "y"], INPUTS) == {"x": "a", "y": "b"}


def test_a_feature_may_use_one_before_it() -> None:
    """Then the order of the function is kept, whatever the schema's."""
    text = "def f(df):\n    out = pd.DataFrame()\n    out['y'] = df['a']\n    out['x'] = out['y'] * 2\n    return out"
    assert list(expressions_of(text, ["x", "y"], INPUTS).items()) == [("y", "a"), ("x", "y * 2")]


REFUSED = [
    ("out['x'] = inputs['a'].map(hash)", "calls inputs['a'].map(hash)"),
    ("out['x'] = inputs['a'].astype(int)", "astype"),
    ("out['x'] = inputs['nobody']", "'nobody', which no source"),
    ("out['x'] = WEIGHT * inputs['a']", "WEIGHT, which is made elsewhere"),
    ("out['x'] = [each for each in inputs['a']]", "computes [each"),
    ("out['x'] = inputs['a'].rolling(3).mean()", "calls inputs['a'].rolling(3).mean()"),
    ("out['x'] = inputs['word'].str.contains('x+')", "contains"),
    ("if True:\n        out['x'] = inputs['a']", "no assignment"),
    ("out['y'] = inputs['a']", "does not plainly assign 'x'"),
    ("out['x'] = inputs['a'] @ inputs['b']", "computes"),
    ("out['x'] = b'bytes'", "constant"),
    ("out['x'] = np.round(inputs['a'], decimals=2)", "decimals"),
]


@pytest.mark.parametrize(("line", "why"), REFUSED)
def test_what_expressions_do_not_compute_is_refused_with_the_part_that_is_too_much(line: str, why: str) -> None:
    """Rather than half translated: nothing is guessed, and nothing is run."""
    text = f"def f(inputs):\n    out = pd.DataFrame()\n    {line}\n    return out\n"
    with pytest.raises(Untranslatable) as caught:
        expressions_of(text, ["x"], INPUTS)
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["", "def f(", "x = 1", "def f(a, b):\n    return {'x': a}", "f = lambda x: x"])
def test_what_is_no_plain_function_is_refused(text: str) -> None:
    """No text, broken text, something else, several arguments."""
    with pytest.raises(Untranslatable):
        expressions_of(text, ["x"], INPUTS)


def test_a_long_part_is_cut_in_the_message() -> None:
    """However long the function is."""
    text = f"def f(inputs):\n    out = pd.DataFrame()\n    out['x'] = f({'1, ' * 500})\n    return out\n"
    with pytest.raises(Untranslatable) as caught:
        expressions_of(text, ["x"], INPUTS)
    assert len(str(caught.value)) < 200
