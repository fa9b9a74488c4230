"""JSON, whole or a line a row: every digit kept, and what cannot be read said with its place."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from modelyard.data import ReadOptions, open_data, read_table

from .files import refusal, why, wrote


@pytest.mark.parametrize(
    ("content", "said", "context"),
    [
        ('{"a":1}\n{"a":"x"}\n', "integer (row 1) and one that is text: 'x'", {"row": 2, "column": "a"}),
        ('{"a":[1]}\n{"a":[{"b":1}]}\n', "integer (row 1) and one that is object", {"row": 2, "column": "a[]"}),
        ('{"a":true}\n{"a":1}\n', "truth (row 1) and one that is integer", {"row": 2}),
        ('{"a":1}\n{"a":1,"a":2}\n', "two values have this name", {"row": 2, "line": 2, "column": "a"}),
        ('{"a":1}\n\n{"a":\n', "no whole JSON object", {"row": 2, "line": 3}),
        ('{"a":1}\n[1]\n', "a record is an object", {"row": 2, "line": 2}),
        ('{"a":1}\n{"a":' + "9" * 5000 + "}\n", "a number too long to read", {"row": 2}),
        (b'{"a":1}\n{"a":"\xff"}\n', "are no UTF-8", {"row": 2, "line": 2}),
        ('{"a":"\\ud800"}\n', "", {}),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nested too deeply", {"row": 1}),
        ('[{"a":1},\n{"a":2},\n{"a":}]', "it is no JSON", {"row": 3, "line": 3}),
        ('[{"a":1},\n2]', "a record is an object", {"row": 2, "line": 2}),
        ('[{"a":1} {"a":1}]', "']' was expected", {}),
        ('[{"a":1}] x', "more follows behind the list", {}),
        ('[{"a":1}', "the file ends there", {}),
        ("[]", "it holds no records", {}),
        ("[{}]", "its records have no fields", {}),
        ("a,b\n", "begins with neither", {}),
    ],
)
def test_json_that_cannot_be_read_says_where_and_why(
    content: str | bytes, said: str, context: dict[str, object], tmp_path: Path
) -> None:
    """Syntax, names that stand twice, and fields that mix what no type holds."""
    error = refusal(wrote(tmp_path / "a.json", content))
    assert said in str(error)
    assert context.items() <= error.context.items()


def test_json_keeps_every_digit_and_every_level(tmp_path: Path) -> None:
    """Integers beyond 64 bits and numbers beyond a float stay text; lists and objects keep their shape."""
    lines = [
        '{"big":99999999999999999999,"long":0.12345678901234567890,"mix":1,"nan":NaN,"at":"2026-01-31T10:00:00Z"}',
        '{"big":1,"long":1.50,"mix":2.5,"nan":-0.0,"deep":{"x":[1,null],"y":[]}}',
    ]
    reading = open_data(wrote(tmp_path / "a.jsonl", "\n".join(lines)))
    first, second = reading.table().to_pylist()
    assert (first["big"], second["big"]) == ("99999999999999999999", "1")
    assert (first["long"], second["long"]) == ("0.12345678901234567890", "1.50")
    assert (first["mix"], second["mix"]) == (1.0, 2.5)
    assert (str(first["nan"]), str(second["nan"])) == ("nan", "-0.0")
    assert first["at"] == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert second["deep"] == {"x": [1, None], "y": []}
    assert why(reading)["big"] == "integers beyond 64 bits"


def test_json_is_read_as_declared(tmp_path: Path) -> None:
    """Strings give numbers, dates and decimals; string gives numbers as they are written."""
    path = wrote(
        tmp_path / "a.jsonl", '{"t":1.50,"n":"7","m":12.340,"d":"2026-01-31"}\n{"t":"x","n":null,"m":"1","d":null}\n'
    )
    types = {"t": pa.string(), "n": pa.int64(), "m": pa.decimal128(10, 3), "d": pa.date32()}
    options = ReadOptions(types=types)
    assert read_table(path, options).to_pydict() == {
        "t": ["1.50", "x"],
        "n": [7, None],
        "m": [Decimal("12.340"), Decimal(1)],
        "d": [date(2026, 1, 31), None],
    }


def test_rows_of_json_files_are_counted_by_file(tmp_path: Path) -> None:
    """The complaint is about the second file's first row."""
    wrote(tmp_path / "1.jsonl", '{"a":1}\n{"a":2}\n')
    wrote(tmp_path / "2.jsonl", '{"a":"x"}\n')
    error = refusal(tmp_path)
    assert error.context["file"] == str(tmp_path / "2.jsonl")
    assert error.context["row"] == 1
