"""Logs of A/B tests: requests of entities, assigned as servers do, and what became of them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from modelyard.core import Digest, Micros, SystemClock, to_micros, uuid7
from modelyard.history import PredictionLog
from modelyard.journal import Journal, OutcomeRecord, PredictionRecord, Record, TruthRecord
from modelyard.rollout.experiments import ExperimentReport, ExperimentSettings, Trial, analyse_trial, question_of
from modelyard.routing import Arm, Route, assign

START = datetime(2026, 1, 5, tzinfo=UTC)
SHARE = 0.2
ROUTE = Route(
    "d",
    "m",
    7,
    (Arm("live", "live", "1", Digest("a"), 1 - SHARE), Arm("treatment", "arm", "2", Digest("b"), SHARE)),
    "salt",
    assign_by="customer",
)


def requests(units: int, *, each: int = 1, seed: int = 0) -> list[PredictionRecord]:
    """Requests of so many customers, one a second, answered by the arm that each is assigned to."""
    random = np.random.default_rng(seed)
    found = []
    for at in range(units * each):
        entity = f"c{at % units}"
        arm = assign(ROUTE, entity)
        instant = to_micros(START + timedelta(seconds=at))
        score = float(random.random())
        identity = uuid7(instant, random.bytes(10))
        found.append(
            PredictionRecord(
                identity, instant, "d", ROUTE.generation, arm.version, arm.name, arm.role, True, entity,
                (score, "de" if at % 3 else "fr"), "1" if score > 0.5 else "0", (score,), 5_000, None, instant,
            )
        )  # fmt: skip
    return found


def outcomes(
    asked: Iterable[PredictionRecord],
    metric: str,
    value: Callable[[bool, float], float],
    *,
    later: int = 60,
    seed: int = 1,
) -> Iterator[OutcomeRecord]:
    """One outcome a request, `later` seconds after it: of whether it was treated and a uniform random number."""
    random = np.random.default_rng(seed)
    for each in asked:
        at = Micros(each.event_us + later * 1_000_000)
        assert each.entity is not None
        yield OutcomeRecord("d", each.entity, metric, value(each.arm == "treatment", float(random.random())), at, at)


def labels(asked: Iterable[PredictionRecord], right: Callable[[bool, float], bool], seed: int = 2) -> Iterator[Record]:
    """The truth of each request: what was predicted, where `right` says so."""
    random = np.random.default_rng(seed)
    for each in asked:
        hit = right(each.arm == "treatment", float(random.random()))
        label = each.prediction if hit else {"0": "1", "1": "0"}[str(each.prediction)]
        yield TruthRecord(each.prediction_id, "d", label, each.event_us, each.event_us, each.event_us)


def log_of(folder: Path, *records: Iterable[Record]) -> PredictionLog:
    """A log with these records; features are `amount` and `country`."""
    journal = Journal(folder / "journal", "srv.a", SystemClock())
    for some in records:
        journal.append(list(some))
    journal.close()
    return PredictionLog(folder / "journal", folder / "log", names=lambda *_: ("amount", "country"))


def trial(*, within: timedelta | None = None, now: datetime = START + timedelta(days=30)) -> Trial:
    """What of the log is the experiment."""
    generation = ROUTE.generation
    return Trial("d", "treatment", SHARE, generation, START - timedelta(days=1), now, generation, within)


def analysed(log: PredictionLog, of: Trial | None = None, **settings: object) -> ExperimentReport:
    """The analysis of such a log."""
    asked = question_of(ExperimentSettings.model_validate(settings), SHARE)
    return analyse_trial(log, of or trial(), asked, "test")
