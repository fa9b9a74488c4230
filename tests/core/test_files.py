"""A file is replaced in one step or not at all."""

import os
from pathlib import Path

import pytest

from modelyard.core import atomic_write, canonical_json, digest_of


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new bytes stand alone in the folder, with the mode asked for."""
    target = tmp_path / "deep" / "file"
    atomic_write(target, b"old")
    atomic_write(target, b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in target.parent.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses, readers still see the old bytes and no temporary file stays behind."""
    target = tmp_path / "file"
    atomic_write(target, b"old")

    def refuse(_descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(target, b"new")
    assert target.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_equal_values_have_equal_bytes() -> None:
    """Canonical JSON ignores the order of keys and refuses what JSON has no word for."""
    assert canonical_json({"b": 1, "a": "é"}) == b'{"a":"\xc3\xa9","b":1}'
    assert digest_of(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
