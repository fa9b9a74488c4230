"""Who is erased is in no file any more: not in predictions, not in labels, not in outcomes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import ManualClock, to_micros
from modelyard.history import erasing
from modelyard.journal import OutcomeRecord, PredictionRecord, TruthRecord

from .samples import Yard, prediction

DAY = timedelta(days=1)


def of(entity: str, identity: str, yard: Yard, days: int) -> list[PredictionRecord | TruthRecord | OutcomeRecord]:
    """An answer to somebody, its truth, and what came of it."""
    at = yard.clock.now() - days * DAY
    micros, made = to_micros(at), prediction(identity, at)
    mine = PredictionRecord(**{name: getattr(made, name) for name in made.__struct_fields__} | {"entity": entity})
    return [mine, TruthRecord(identity, "d", 1, micros, micros, micros),
            OutcomeRecord("d", entity, "bought", 1.0, micros, micros)]  # fmt: skip


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """Five days of Anna and Ben, sealed; and a day of Anna's alone."""
    yard = Yard(tmp_path, clock)
    for day in range(5):
        yard.journal.append([*of("anna", f"a{day}", yard, day), *of("ben", f"b{day}", yard, day)])
        yard.journal.rotate()
    yard.journal.append(of("anna", "alone", yard, 30))
    yard.journal.rotate()
    yard.log.seal()
    return yard


def known(yard: Yard) -> tuple[set[str], set[str], set[str]]:
    """Whose predictions, truths and outcomes a log that remembers nothing finds."""
    log = yard.another_log()
    return (
        set(log.predictions("d").column("prediction_id").to_pylist()),
        set(log.truths("d").column("prediction_id").to_pylist()),
        set(log.outcomes("d").column("entity").to_pylist()),
    )


BENS = {f"b{day}" for day in range(5)}


def test_nothing_of_the_person_stays_and_nothing_of_another_goes(yard: Yard) -> None:
    """Records and bytes; a file that held nothing else is gone; doing it twice does no harm."""
    done = yard.log.erase(["anna"])
    assert (done.predictions, done.truths, done.outcomes, done.waiting, done.damaged) == (6, 6, 6, 0, 0)
    assert known(yard) == (BENS, BENS, {"ben"})
    left = b"".join(each.read_bytes() for each in [*yard.files, *yard.journal_folder.rglob("*.*")] if each.is_file())
    assert b"anna" not in left
    assert b"ben" in left
    assert not [each for each in yard.files if "2025-12-06" in str(each)]
    assert yard.log.verify().sound
    assert yard.log.erase(["anna"]).files == 0
    assert yard.log.erase(["anna", "nobody"]).predictions == 0


def test_what_a_living_writer_holds_is_counted_and_goes_when_it_begins_anew(yard: Yard) -> None:
    """Its truths too, which may be sealed before their prediction is."""
    yard.journal.append(of("anna", "open", yard, 0))
    done = yard.log.erase(["anna"])
    assert (done.predictions, done.waiting) == (6, 3)
    yard.journal.rotate()
    done = yard.log.erase(["anna"])
    assert (done.predictions, done.truths, done.outcomes, done.waiting) == (1, 1, 1, 0)
    assert known(yard) == (BENS, BENS, {"ben"})


@pytest.mark.parametrize("survived", [0, 1, 4, 7, 10, 12])
def test_a_crash_between_any_two_files_leaves_what_the_next_call_finishes(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """Labels go before the predictions that tell whose they are: cut off anywhere, all of them are found again."""
    real, done = erasing._erase, list[int]()

    def cut_off(*given: Any) -> int:
        if len(done) == survived:
            raise KeyboardInterrupt
        done.append(real(*given))
        return done[-1]

    monkeypatch.setattr(erasing, "_erase", cut_off)
    with pytest.raises(KeyboardInterrupt):
        yard.log.erase(["anna"])
    monkeypatch.undo()
    assert yard.another_log().verify().sound
    assert known(yard)[0] >= BENS
    yard.another_log().erase(["anna"])
    assert known(yard) == (BENS, BENS, {"ben"})


def test_a_file_that_cannot_be_read_is_told_and_keeps_no_other_from_being_erased(yard: Yard) -> None:
    """Only a person can tell what was in it."""
    entry = yard.log.files.catalogs.current().of("outcomes")[0]
    (yard.log_folder / entry.name).write_bytes(b"PAR1" * 9)
    done = yard.log.erase(["anna"])
    assert done.damaged == 1
    assert done.predictions == 6
    assert "anna" not in yard.another_log().predictions("d").column("entity").to_pylist()
