"""Lines that are no records of their file are left out where that is asked for, and told."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from modelyard.data import Damage, ReadOptions, UnreadableData, open_data
from modelyard.data.reading import complaints

SKIP = ReadOptions(damaged="skip")


def test_records_of_csv_with_other_fields_are_left_out(tmp_path: Path) -> None:
    """By the line on which they begin, behind quoted line ends and blank lines, in every block of the file."""
    lines = ["a,b", '1,"x', 'y"', "", "2,x,z", *(f"{at},y" for at in range(200)), "7", "8,y"]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    options = ReadOptions(damaged="skip", block_bytes=256)
    reading = open_data(tmp_path / "in.csv", options)
    first, last = reading.facts[0].damage
    assert (first.line, first.text, last.line, last.text) == (5, "'2,x,z'", 206, "'7'")
    assert first.reason == "a record of 3 fields; the first has 2."
    assert reading.table().column("a").to_pylist() == [1, *range(200), 8]
    typed = ReadOptions(damaged="skip", types={"a": pa.int64(), "b": pa.string()})
    assert len(open_data(tmp_path / "in.csv", typed).facts[0].damage) == 2
    with pytest.raises(UnreadableData, match="line 5"):
        open_data(tmp_path / "in.csv")


def test_lines_of_jsonl_that_are_no_objects_are_left_out(tmp_path: Path) -> None:
    """Cut off, of another kind, with a name twice, or no UTF-8; the types of the others are told as ever."""
    bad = [b'{"a": 1', b"[1]", b'{"a": 1, "a": 2}', b'{"a": "\xff"}', b"nonsense"]
    good = [json.dumps({"a": at}).encode() for at in range(5)]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(each for pair in zip(good, bad, strict=True) for each in pair))
    reading = open_data(tmp_path / "in.jsonl", SKIP)
    assert [each.line for each in reading.facts[0].damage] == [2, 4, 6, 8, 10]
    assert reading.table().column("a").to_pylist() == [0, 1, 2, 3, 4]
    assert reading.facts[0].damage[4].text == "'nonsense'"


def test_what_is_mostly_damaged_is_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is told has a bound."""
    monkeypatch.setattr(complaints, "MOST_DAMAGED", 2)
    assert len(complaints.damage_of("f", dict.fromkeys(range(2), ("why", "text")))) == 2
    with pytest.raises(UnreadableData, match="more than 2 of its lines"):
        complaints.damage_of("f", dict.fromkeys(range(3), ("why", "text")))
    assert complaints.damage_of("f", {3: ("b", "y"), 1: ("a", "x")}) == (Damage(1, "a", "'x'"), Damage(3, "b", "'y'"))
