"""Files of the log cut off at any byte, and with any byte changed: what is whole is read, what is not is reported.

Segments of the journal: `tests/journal/test_frames.py`. The audit record and its checkpoints: `tests/audit`.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import ManualClock
from modelyard.history import CatalogDamaged
from modelyard.history import files as history_files

from ..history.samples import Yard, prediction

pytestmark = pytest.mark.long

ROWS = 8
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Sealed:
    """A log of two days, each a file; the first is damaged, and the second must always be read."""

    yard: Yard
    file: Path
    body: bytes

    def rows(self) -> Rows:
        """The records of the first day, as a reader that remembers nothing finds them."""
        found: Rows = self.yard.another_log().predictions("d").to_pylist()
        assert len([each for each in found if each["prediction_id"].startswith("q")]) == ROWS
        return [each for each in found if each["prediction_id"].startswith("p")]

    def harmed(self, bodies: Iterable[bytes]) -> int:
        """How many of these contents of the file are told apart from it.

        Of each either nothing is read and the damage is counted, or every record is read as it was written, from a file
        whose damage stands where nothing is kept; and `verify` finds each.
        """
        whole, told = self.rows(), 0
        for body in bodies:
            self.file.write_bytes(body)
            log = self.yard.another_log()
            rows = self.rows()
            log.predictions("d")
            assert rows in ([], whole)
            assert log.stats("d").damaged == (not rows)
            assert [Path(each.file).name for each in log.verify().problems] == [self.file.name]
            told += not rows
        self.file.write_bytes(self.body)
        assert self.rows() == whole
        return told


@pytest.fixture
def sealed(tmp_path: Path, clock: ManualClock) -> Sealed:
    """As it was written."""
    yard = Yard(tmp_path, clock)
    for name in "pq":
        yard.journal.append([prediction(f"{name}{number}", clock.now()) for number in range(ROWS)])
        clock.advance(timedelta(days=1))
    yard.journal.rotate()
    yard.log.seal()
    file = yard.files[0]
    return Sealed(yard, file, file.read_bytes())


def changed(body: bytes, at: int, bit: int) -> bytes:
    """The same with one bit the other way round."""
    return body[:at] + bytes([body[at] ^ 1 << bit]) + body[at + 1 :]


def test_a_sealed_file_that_is_cut_off_is_reported(sealed: Sealed) -> None:
    """At every 97th byte; its records are gone, and no others."""
    ends = range(0, len(sealed.body), 97)
    assert sealed.harmed(sealed.body[:end] for end in ends) == len(ends)


def test_a_byte_that_changed_in_a_sealed_file_is_never_read_as_something_else(sealed: Sealed) -> None:
    """Every 29th of them, in a bit at random."""
    chance = random.Random(4)
    places = range(0, len(sealed.body), 29)
    told = sealed.harmed(changed(sealed.body, at, chance.randrange(8)) for at in places)
    assert told > len(places) * 0.8


def test_without_checksums_of_pages_and_footer_it_would_be(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet notices by itself most of what changes, and not all."""
    monkeypatch.setattr(history_files, "_footer", lambda path: "")
    with pytest.raises((AssertionError, KeyError, UnicodeDecodeError, OverflowError)):
        sealed.harmed(changed(sealed.body, at, 5) for at in range(len(sealed.body)))


def test_a_catalog_that_is_damaged_is_said_to_be(sealed: Sealed) -> None:
    """Every byte of it, and at every length: nobody reads half a log."""
    (catalog,) = sealed.yard.log_folder.glob("catalog-*.json")
    body, chance = catalog.read_bytes(), random.Random(5)
    bodies = [body[:end] for end in range(0, len(body), 7)]
    bodies += [changed(body, at, chance.randrange(8)) for at in range(len(body))]
    bodies += [changed(body, at, 5) for at in range(8)]  # which makes a letter of the checksum a capital
    for each in bodies:
        catalog.write_bytes(each)
        with pytest.raises(CatalogDamaged, match="is damaged"):
            sealed.yard.another_log().predictions("d")


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_length_and_every_bit(sealed: Sealed) -> None:
    """None left out."""
    cut = sealed.harmed(sealed.body[:end] for end in range(len(sealed.body)))
    told = sealed.harmed(changed(sealed.body, at, bit) for at in range(len(sealed.body)) for bit in range(8))
    print(f"{cut} of {len(sealed.body)} lengths and {told} of {8 * len(sealed.body)} bits told")  # noqa: T201
    assert cut == len(sealed.body)
