"""Whatever is done to the log, it gives what a sorted list of all records gives, whoever is killed and when."""

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelyard.core import ManualClock, Micros, SeededIds, from_micros, to_micros
from modelyard.history import RetentionSettings
from modelyard.journal import REDACTED, OutcomeRecord, PredictionRecord, TruthRecord

from .samples import Yard, prediction

HOUR_US = 3_600_000_000
NOON = from_micros(Micros(500_000 * HOUR_US))
DAY = timedelta(days=1)


class Log(RuleBasedStateMachine):
    """Predictions and truths come in any order, and the log is sealed, compacted and redacted in between."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.yard = Yard(Path(self._folder.name), ManualClock(NOON))
        self.ids = SeededIds(1)
        self.predictions: dict[str, PredictionRecord] = {}
        self.truths: list[TruthRecord] = []
        self.promised = [self.ids.new(Micros(to_micros(NOON) + hour * HOUR_US)) for hour in range(0, 90, 9)]

    @rule(hours=st.integers(-80, 80), entity=st.sampled_from("ab"), version=st.sampled_from("12"), timed=st.booleans())
    def answer(self, hours: int, entity: str, version: str, timed: bool) -> None:
        """A prediction comes, perhaps long after its event, with an id that tells its time or none."""
        at = NOON + timedelta(hours=hours)
        identity = self.ids.new(to_micros(at)) if timed else f"id-{len(self.predictions)}"
        self._put(msgspec.structs.replace(prediction(identity, at), entity=entity, model_version=version))

    @rule()
    def answer_late(self) -> None:
        """A prediction comes whose truth may have been there before it."""
        for identity in self.promised:
            if identity not in self.predictions:
                self._put(prediction(identity, NOON))
                return

    @rule(
        which=st.integers(0, 30),
        event=st.integers(-80, 80),
        available=st.integers(-80, 80),
        received=st.integers(0, 2),
        label=st.integers(0, 2),
    )
    def tell(self, which: int, event: int, available: int, received: int, label: int) -> None:
        """A truth comes: early, late, repeated, corrected, in conflict, from the future, or of nothing known."""
        known = [*self.predictions, *self.promised, "unknown"]
        instants = (Micros(to_micros(NOON) + hours * HOUR_US) for hours in (event, available, received))
        truth = TruthRecord(known[which % len(known)], "d", label, *instants)
        self.yard.journal.append([truth])
        self.truths.append(truth)

    @rule()
    def seal(self) -> None:
        """Segments are closed and sealed."""
        self.yard.journal.rotate()
        self.yard.log.seal()

    @rule()
    def compact(self) -> None:
        """Another process joins all small files."""
        self.yard.another_log().compact(everything=True)

    @rule(entity=st.sampled_from("ab"))
    def redact(self, entity: str) -> None:
        """An entity is forgotten."""
        self.yard.journal.rotate()
        assert self.yard.log.redact(entities=[entity]).waiting == 0
        self.predictions = {
            each.prediction_id: msgspec.structs.replace(each, entity=REDACTED, features=())
            if each.entity == entity
            else each
            for each in self.predictions.values()
        }

    @invariant()
    def the_log_is_what_was_written(self) -> None:
        """Every record once, by window and version; of each its truth as of then; and the counts."""
        log = self.yard.log
        found = {row["prediction_id"]: row for row in log.predictions("d").to_pylist()}
        assert found.keys() == self.predictions.keys()
        assert log.stats("d").records == len(self.predictions)
        for identity, record in self.predictions.items():
            row = found[identity]
            assert (row["entity"], row["has_features"]) == (record.entity, bool(record.features))
        start, end = NOON - DAY, NOON + DAY
        inside = {key for key, each in self.predictions.items() if start <= from_micros(each.event_us) < end}
        batches = log.batches("d", start=start, end=end, labels=True, as_of=NOON).read_all().to_pylist()
        assert {row["prediction_id"]: row["label"] for row in batches} == {key: self.won(key, NOON) for key in inside}
        assert len(batches) == len(inside)
        coverage = log.coverage("d", as_of=NOON)
        assert coverage.labelled == sum(self.won(each, NOON) is not None for each in self.predictions)
        assert log.stats("d").truths == len({each.prediction_id for each in self.truths})

    def won(self, identity: str, as_of: object) -> str | None:
        """The truth that counts, from the sorted list of all."""
        limit = to_micros(NOON) if as_of == NOON else 2**62
        own = [(each.available_us, each.received_us, at, each.label) for at, each in enumerate(self.truths)
               if each.prediction_id == identity and each.available_us <= limit]  # fmt: skip
        return str(max(own)[3]) if own else None

    def teardown(self) -> None:
        """Nothing is there twice, and the folder goes."""
        self.yard.journal.close()
        self.yard.log.seal()
        assert self.yard.log.verify().sound
        self._folder.cleanup()

    def _put(self, record: PredictionRecord) -> None:
        self.yard.journal.append([record])
        self.predictions[record.prediction_id] = record


class TestLog(Log.TestCase):  # type: ignore[valid-type,misc]  # made by hypothesis
    """A few walks; `make soak` takes hundreds."""

    settings = settings(max_examples=4, stateful_step_count=12, deadline=None)


@pytest.mark.soak
class TestLogLong(Log.TestCase):  # type: ignore[valid-type,misc]  # as above
    """Hundreds of walks."""

    settings = settings(max_examples=400, stateful_step_count=40, deadline=None)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process leaves to the system what it wrote: flushing to the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


BOUNDARIES = (("os", "fsync"), ("pathlib.Path", "replace"), ("pathlib.Path", "unlink"), ("pathlib.Path", "rename"))
"""Calls that leave something behind: a process is killed before each of them."""


def killed_at(boundary: int, work: Callable[[], object]) -> bool:
    """Do some work in a process that kills itself with SIGKILL at its n-th boundary; whether it came so far."""
    child = os.fork()
    if child == 0:
        _die_at(boundary)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return False
    return os.WTERMSIG(status) == signal.SIGKILL


def _die_at(boundary: int) -> None:
    from pkgutil import resolve_name

    left = [boundary]
    for owner, name in BOUNDARIES:
        original = getattr(resolve_name(owner), name)

        def call(*arguments: object, original: Callable[..., object] = original, **named: object) -> object:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return original(*arguments, **named)

        setattr(resolve_name(owner), name, call)


WORK: dict[str, Callable[[Yard], object]] = {
    "seal": lambda yard: yard.another_log().seal(),
    "compact": lambda yard: yard.another_log().compact(everything=True),
    "redact": lambda yard: yard.another_log().redact(entities=["e"]),
    "retire": lambda yard: yard.another_log().retire(RetentionSettings(outcomes=DAY)),
}


def filled(folder: Path) -> Yard:
    """A log with sealed files, small ones of one day, and segments that wait to be sealed."""
    yard = Yard(folder, ManualClock(NOON))
    for number in range(3):
        yard.journal.append(
            [
                *(prediction(f"{number}-{day}", NOON - day * DAY) for day in range(2)),
                TruthRecord(f"{number}-0", "d", number, *[to_micros(NOON)] * 3),
                OutcomeRecord("d", "e", "converted", number, to_micros(NOON - 900 * DAY), to_micros(NOON)),
            ]
        )
        yard.journal.rotate()
        if number < 2:
            yard.log.seal()
    return yard


def everything(yard: Yard) -> list[tuple[str, str]]:
    """What must never be lost or doubled: all predictions and truths."""
    log = yard.another_log()
    predictions = [("prediction", each) for each in log.predictions("d").column("prediction_id").to_pylist()]
    return sorted([*predictions, *(("truth", row["label"]) for row in log.truths("d").to_pylist())])


@pytest.mark.parametrize("work", list(WORK))
def test_who_changes_the_log_may_be_killed(tmp_path: Path, work: str) -> None:
    """At some boundaries here, from the first on; at each of them in the soak."""
    _killed_at_boundaries(tmp_path, work, 31 if work == "redact" else 11)


@pytest.mark.soak
@pytest.mark.parametrize("work", list(WORK))
def test_who_changes_the_log_may_be_killed_anywhere(tmp_path: Path, work: str) -> None:
    """At each boundary, and while going on after it at each again."""
    _killed_at_boundaries(tmp_path, work, 1)


def _killed_at_boundaries(folder: Path, work: str, every: int) -> None:
    boundary, killed = 0, 0
    while True:
        yard = filled(folder / str(boundary))
        expected = everything(yard)
        assert len(expected) == 9
        if not killed_at(boundary, lambda yard=yard: WORK[work](yard)):  # type: ignore[misc]  # bound here
            break
        killed += 1
        assert everything(yard) == expected
        assert yard.log.verify().sound
        if every == 1:
            killed_at(boundary // 2, lambda yard=yard: WORK[work](yard))  # type: ignore[misc]  # as above
            assert everything(yard) == expected
        WORK[work](yard)
        yard.log.compact(everything=True)
        assert everything(yard) == expected
        assert yard.log.verify().sound
        named = {each.name for each in yard.log.files.catalogs.current().entries}
        assert {str(each.relative_to(yard.log_folder)) for each in yard.files} == named
        assert not list(yard.log_folder.rglob("*.tmp"))
        _done(yard, work)
        boundary += every
    assert killed
    _done(yard, work)


def _done(yard: Yard, work: str) -> None:
    """What the work was to do is done."""
    log = yard.another_log()
    if work == "redact":
        assert set(log.predictions("d").column("entity").to_pylist()) == {REDACTED}
    if work == "retire":
        assert len(log.outcomes("d")) == 0 or yard.segments
    if work == "seal":
        assert yard.segments == ()
