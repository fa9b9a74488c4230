"""Trials on disk, a file each, so that a search that was cut off knows which have ended."""

from pathlib import Path

import msgspec

from modelyard.core import atomic_write

from .result import TrialRecord


class KeptTrials:
    """The ended trials of one search, in a folder. Survives `kill -9`; what a power cut spoils is tried again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def read(self) -> dict[int, TrialRecord]:
        """All of them, by number."""
        records = filter(None, map(_read, self._folder.glob("*.json")))
        return {each.number: each for each in sorted(records, key=lambda each: each.number)}

    def add(self, record: TrialRecord) -> None:
        """Keep one."""
        atomic_write(self._folder / f"{record.number:06}.json", msgspec.json.encode(record), durable=False)


def _read(file: Path) -> TrialRecord | None:
    """A trial, or None for what a power cut left of one."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=TrialRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
