"""Retention: how long records are kept, by whole days."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import Field

from modelyard.core import from_micros, log_event
from modelyard.core.durations import Duration
from modelyard.core.settings import Section
from modelyard.journal import FAMILIES, Family

from .catalog import NO_DAY, Catalogs, Entry
from .changing import replaced
from .partitions import day_end
from .sealing import alone
from .shipping import note_retired


class RetentionSettings(Section):
    """How long the records of the log are kept, counted from the end of their day; null: for ever."""

    predictions: Duration | None = Field(None, description="Predictions, such as 400d; null: for ever.")
    truths: Duration | None = Field(None, description="Truths, from the day of their prediction; null: for ever.")
    outcomes: Duration | None = Field(None, description="Business outcomes; null: for ever.")
    sketches: Duration | None = Field(None, description="Histograms of minutes; null: for ever.")

    def kept(self, family: Family) -> timedelta | None:
        """How long a family's records are kept."""
        kept: timedelta | None = getattr(self, family)
        return kept


@dataclass(frozen=True)
class Retired:
    """What was deleted: so many files with so many records and bytes, and of each family how many records.

    `unshipped`: how many of the records had not been shipped yet, by the place where they should go.
    """

    files: int
    records: int
    size: int
    families: dict[str, int]
    unshipped: dict[str, int] = field(default_factory=dict)


def retire(folder: Path, settings: RetentionSettings, now: datetime) -> Retired:
    """Delete every file whose day ended longer ago than its family is kept. Nothing else is touched, or read.

    Shipping does not hold it up: records that were not shipped yet are counted, and told. Truths whose id tells no day
    go by their own event time, all of a file at once.
    """
    if not folder.exists() or all(settings.kept(family) is None for family in FAMILIES):
        return Retired(0, 0, 0, {})
    with alone(folder):
        catalogs = Catalogs(folder)
        old = [each for each in catalogs.current().entries if _is_old(each, settings, now)]
        unshipped = note_retired(folder, old) if old else {}
        if old:
            replaced(catalogs, old, [])
    families: dict[str, int] = {}
    for each in old:
        families[each.family] = families.get(each.family, 0) + each.rows
    done = Retired(len(old), sum(families.values()), sum(each.size for each in old), families, unshipped)
    if old:
        log_event("history", "retired", files=done.files, records=done.records, **families)
    return done


def _is_old(entry: Entry, settings: RetentionSettings, now: datetime) -> bool:
    kept = settings.kept(entry.family)
    if kept is None:
        return False
    end = from_micros(entry.last_us) if entry.day == NO_DAY else day_end(entry.day)
    return end <= now - kept
