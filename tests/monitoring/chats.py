"""Writes what a server records of chats, and makes the monitors that read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from modelyard.core import ArmRole, ManualClock, Micros, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import ErrorClass, Generated, Journal, PredictionRecord, TruthRecord
from modelyard.monitoring import AlertBook, AlertSettings, Monitors, MonitorSettings
from modelyard.storage import RecordStore, open_record_store

DAY = timedelta(days=1)


@dataclass
class Chats:
    """A journal of chats of the deployment `help`, whose versions predict nothing."""

    folder: Path
    clock: ManualClock
    settings: MonitorSettings = field(default_factory=lambda: MonitorSettings(window=DAY, min_labels=20))
    alerts: AlertSettings = field(default_factory=AlertSettings)

    def __post_init__(self) -> None:
        self.journal = Journal(self.folder / "journal", "server", self.clock)
        self.log = PredictionLog(self.folder / "journal", self.folder / "log")
        self.records: RecordStore = open_record_store(f"sqlite:///{self.folder / 'records.db'}")
        self.records.migrate()
        self.book = AlertBook(self.records, self.clock, self.alerts, {"help": "help"})

    def monitors(self) -> Monitors:
        """New monitors, as after a restart."""
        return Monitors(self.records, self.log, self.clock, lambda *_: None, {"help": self.settings}, self.book)

    def asked(
        self,
        at: datetime,
        made: Generated,
        *,
        identity: str = "",
        arm: str = "live",
        role: ArmRole | None = None,
        version: str = "1",
        error: ErrorClass | None = None,
        thumb: str | None = None,
        told_after: timedelta = timedelta(0),
        latency_us: int = 40_000,
        **more: Any,
    ) -> str:
        """One record, and what a person said of it."""
        identity = identity or f"{arm}-{to_micros(at)}"
        role = role or ("live" if arm == "live" else "canary")
        known = to_micros(at + told_after)
        record = PredictionRecord(
            identity, to_micros(at), "help", more.pop("generation", 1), version, arm, role,
            error is None and role != "shadow", more.pop("entity", None), (), None if error else "stop", (), latency_us,
            error, logged_us=Micros(to_micros(at)), generated=msgspec.json.encode(made).decode(), **more,
        )  # fmt: skip
        told = [] if thumb is None else [TruthRecord(identity, "help", thumb, to_micros(at), known, known)]
        self.journal.append([record, *told])
        return identity

    def day(
        self, start: datetime, answers: Sequence[Generated], thumbs: Mapping[int, str] = MappingProxyType({})
    ) -> None:
        """A day of answers of the live arm, evenly spread; `thumbs` by place."""
        for place, made in enumerate(answers):
            self.asked(start + DAY * place / (len(answers) + 1), made, thumb=thumbs.get(place))


def rested(unsupported: int = 0, sentences: int = 2, **more: Any) -> Generated:
    """An answer that rests on an index."""
    facts: dict[str, Any] = {
        "upstream": "here", "input_tokens": 100, "output_tokens": 20, "cost_micros": 50, "first_us": 8_000,
        "index": "abc", "nearest": 0.7, "asked_characters": 40,
    } | more  # fmt: skip
    return Generated(sentences=sentences, unsupported=unsupported, **facts)


def drawn(seed: int, count: int, *, longer: float = 1.0, turned: float = 0.0) -> list[Generated]:
    """Answers to questions that vary: `longer` of characters and tokens, `turned` in the first direction."""
    random = np.random.default_rng(seed)
    return [
        rested(
            nearest=float(random.beta(8, 3)),
            asked_characters=int(random.gamma(4, 12) * longer) + 1,
            output_tokens=int(random.poisson(60) * longer),
            question=tuple(float(each) for each in random.normal((turned, *[0.0] * 7), 0.2)),
        )
        for _ in range(count)
    ]
