"""Whoever changes the record of what was done is found out; whoever changed nothing is not accused."""

import json
import multiprocessing
import random
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from modelyard.audit import AuditBroken, Checkpoint, CheckpointsUnavailable, FileSink, open_sink
from modelyard.core import ManualClock, canonical_json
from modelyard.core.signing import PrivateKey

from .attacks import (
    BETWEEN,
    ENTRIES,
    MORE,
    ON_ENTRIES,
    Attack,
    Database,
    Yard,
    garble,
    honest,
    new_key,
    put_back,
    rewrite,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """An honest record with its key, made once."""
    folder = tmp_path_factory.mktemp("audit")
    return honest(folder / "honest", ManualClock(NOON), new_key(folder / "keys"))


@pytest.fixture
def key(made: Yard) -> PrivateKey:
    """The workspace's key."""
    assert made.keys.private is not None
    return made.keys.private


@pytest.fixture
def yard(made: Yard, tmp_path: Path, clock: ManualClock) -> Yard:
    """A copy of the honest record."""
    return made.copy(tmp_path / "yard", clock)


def tries(yard: Yard, attack: Attack, seeds: range) -> list[int]:
    """The seeds with which an attack was not found out."""
    missed, attacked = [], yard.copy(yard.folder.parent / "attacked")
    for seed in seeds:
        attacked.restore(yard)
        attack(attacked, random.Random(f"{attack.__name__}/{seed}"))
        report = attacked.verify()
        if report.intact or not report.why:
            missed.append(seed)
    return missed


@pytest.mark.parametrize("attack", ON_ENTRIES, ids=lambda each: each.__name__)
def test_100_of_100_attacks_on_entries_are_found(yard: Yard, attack: Attack) -> None:
    """Edited, deleted, swapped, truncated, each at random places."""
    assert tries(yard, attack, range(100)) == []


@pytest.mark.parametrize("attack", MORE, ids=lambda each: each.__name__)
def test_attacks_with_right_hashes_and_on_checkpoints_are_found(yard: Yard, attack: Attack) -> None:
    """Also a record that is right in itself, an older one, and one that honest work would cover up."""
    assert tries(yard, attack, range(10)) == []


@pytest.mark.soak
@pytest.mark.parametrize("attack", [*ON_ENTRIES, *MORE], ids=lambda each: each.__name__)
def test_1000_of_1000_attacks_are_found(yard: Yard, attack: Attack) -> None:
    """The long proof."""
    assert tries(yard, attack, range(1000)) == []


@pytest.fixture(scope="session")
def made_on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Yard:
    """An honest record in PostgreSQL."""
    folder = tmp_path_factory.mktemp("audit-postgresql")
    return honest(folder / "honest", ManualClock(NOON), new_key(folder / "keys"), postgres)


@pytest.mark.parametrize("attack", ON_ENTRIES, ids=lambda each: each.__name__)
def test_attacks_on_entries_are_found_in_postgresql(made_on_postgresql: Yard, tmp_path: Path, attack: Attack) -> None:
    """A few of the hundred."""
    assert tries(made_on_postgresql.copy(tmp_path / "yard"), attack, range(3)) == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "attack", [*ON_ENTRIES, *(each for each in MORE if each is not garble)], ids=lambda each: each.__name__
)
def test_100_of_100_attacks_are_found_in_postgresql(made_on_postgresql: Yard, tmp_path: Path, attack: Attack) -> None:
    """Of every kind but one: what is no JSON, PostgreSQL does not take."""
    assert tries(made_on_postgresql.copy(tmp_path / "yard"), attack, range(100)) == []


def test_without_checkpoints_a_rewritten_record_would_pass(yard: Yard) -> None:
    """Which is what they are for."""
    rewrite(yard, random.Random(0))
    assert yard.log.verify().intact
    assert not yard.verify().intact


def test_an_honest_record_is_proved(yard: Yard) -> None:
    """To its end, by a known key; what has come since the newest checkpoint is in order, and not covered yet."""
    report = yard.verify()
    assert (report.intact, report.doubt, report.entries) == (True, "", ENTRIES)
    assert (report.checkpoints, report.covered, report.signed) == (ENTRIES // BETWEEN, ENTRIES, ENTRIES)
    yard.record(3)
    report = yard.verify()
    assert (report.intact, report.doubt, report.entries, report.covered) == (True, "", ENTRIES + 3, ENTRIES)


def test_a_recent_check_reads_from_the_newest_signed_checkpoint_on(yard: Yard) -> None:
    """What came later is checked; what a known key vouched for is not read again, and the report says so."""
    yard.record(3)
    told: list[tuple[int, int]] = []
    report = yard.checkpoints.verify(recent=True, told=lambda done, end: told.append((done, end)))
    assert (report.intact, report.since, report.entries) == (True, ENTRIES, ENTRIES + 3)
    assert told == [(ENTRIES + 3, ENTRIES + 3)]
    with Database(yard.database) as database:
        database.put(2, "null")
    assert yard.checkpoints.verify(recent=True).intact
    assert (yard.verify().intact, yard.verify().since) == (False, 1)
    with Database(yard.database) as database:
        database.put(ENTRIES + 2, "null")
    assert yard.checkpoints.verify(recent=True).broken_at == ENTRIES + 2


def test_a_recent_check_finds_what_is_put_back_and_trusts_no_stranger(yard: Yard, tmp_path: Path) -> None:
    """A database older than the checkpoint is found out; of a stranger's checkpoint the whole is read."""
    older = yard.copy(tmp_path / "older")
    put_back(older.database, yard.older[ENTRIES - BETWEEN])
    assert not older.checkpoints.verify(recent=True).intact
    yard.keys.public = (new_key(tmp_path / "theirs").public,)
    report = yard.checkpoints.verify(recent=True)
    assert (report.intact, report.since, report.doubt) == (True, 1, "no checkpoint is signed by a known key")
    yard.keys.public = ()
    assert yard.checkpoints.verify(recent=True).since == ENTRIES


def test_an_empty_record_is_intact_and_needs_no_checkpoint(tmp_path: Path, clock: ManualClock, key: PrivateKey) -> None:
    """A fresh workspace accuses nobody."""
    yard = Yard(tmp_path / "empty", clock, key)
    yard.records.migrate()
    assert yard.checkpoints.write() is None
    assert (yard.verify().intact, yard.verify().doubt, yard.sink.exists()) == (True, "", False)


def test_a_checkpoint_is_written_once_for_what_it_says(yard: Yard) -> None:
    """Until there is more to say."""
    assert yard.checkpoints.write() is None
    yard.record()
    made = yard.checkpoints.write()
    assert made is not None
    assert (made.seq, made.hash) == (ENTRIES + 1, yard.log.head().hash)
    assert yard.checkpoints.write() is None


def test_a_checkpoint_is_due_after_100_entries_or_a_minute(yard: Yard, clock: ManualClock) -> None:
    """And never without a new entry; a clock that was set back does not put it off."""
    clock.advance(timedelta(hours=1))
    assert yard.checkpoints.write_when_due() is None
    yard.record()
    assert yard.checkpoints.write_when_due() is not None
    yard.record(99)
    assert yard.checkpoints.write_when_due() is None
    yard.record()
    assert yard.checkpoints.write_when_due() is not None
    yard.record()
    clock.set(clock.now() - timedelta(days=1))
    assert yard.checkpoints.write_when_due() is not None


def test_no_checkpoint_vouches_for_what_somebody_made_of_the_record(yard: Yard) -> None:
    """Neither for a rewritten one nor for one whose newest entries do not fit."""
    rewritten = yard.copy(yard.folder.parent / "rewritten")
    rewrite(rewritten, random.Random(1))
    yard.record(3)
    with Database(yard.database) as database:
        database.put(ENTRIES + 2, {**database.body(ENTRIES + 2), "principal": "somebody else"})
    for broken in (rewritten, yard):
        before = broken.sink.read_bytes()
        with pytest.raises(AuditBroken, match="broken at entry"):
            broken.checkpoints.write()
        assert broken.sink.read_bytes() == before


def test_who_rolls_back_is_not_kept_from_it_by_a_broken_record(yard: Yard) -> None:
    """Recording goes on behind a cut, and the cut stays to be seen."""
    with Database(yard.database) as database:
        database.run("DELETE FROM entries WHERE stream = 'audit' AND seq > 10")
        database.run("UPDATE documents SET body = '{' WHERE kind = 'audit-head' AND key = 'checkpoint'")
    yard.record(ENTRIES)
    report = yard.log.verify()
    assert (report.intact, report.broken_at, report.why) == (False, 11, "it does not follow the entry before it")


def test_what_no_known_key_has_signed_is_in_doubt(yard: Yard, tmp_path: Path, clock: ManualClock) -> None:
    """Signatures taken off, or made by an unknown key: nothing is found wrong, and nothing is proved."""
    lines = [json.loads(line) for line in yard.sink.read_bytes().splitlines()]
    with Database(yard.database) as database:
        database.forget_checkpoint()
    bare = [canonical_json({**each, "key": "", "signature": ""}) for each in lines]
    for number, kept in enumerate((0, 2)):
        attacked = yard.copy(tmp_path / f"stripped-{number}")
        attacked.sink.write_bytes(b"\n".join([*yard.sink.read_bytes().splitlines()[:kept], *bare[kept:]]))
        report = attacked.verify()
        assert (report.intact, report.signed) == (True, kept * BETWEEN)
        assert "known key" in report.doubt
        assert attacked.checkpoints.write() is not None
        assert attacked.verify().doubt == ""
    stranger = honest(tmp_path / "stranger" / "honest", clock, new_key(tmp_path / "theirs"))
    stranger.keys.public = yard.keys.public
    assert "no checkpoint is signed" in stranger.verify().doubt


def test_without_a_key_checkpoints_are_unsigned_and_still_witness(tmp_path: Path, clock: ManualClock) -> None:
    """Against whoever has the database alone."""
    yard = honest(tmp_path / "honest", clock, None)
    report = yard.verify()
    assert (report.intact, report.doubt, report.covered, report.signed) == (True, "", ENTRIES, 0)
    assert tries(yard, rewrite, range(5)) == []


def test_a_new_key_signs_at_once_and_old_checkpoints_stay_good(yard: Yard, tmp_path: Path) -> None:
    """As after a change of keys: the old public key may be known still, or not."""
    new = new_key(tmp_path / "new")
    old, yard.keys.private = yard.keys.public, new
    for known in ((new.public, *old), (new.public,)):
        yard.keys.public = known
        if known == (new.public, *old):
            assert yard.checkpoints.write() is not None
        report = yard.verify()
        assert (report.intact, report.doubt, report.signed) == (True, "", ENTRIES)


def test_a_torn_line_is_in_doubt_until_the_next_checkpoint(yard: Yard) -> None:
    """A power cut may leave one; what it said is written again."""
    torn = yard.copy(yard.folder.parent / "torn")
    with Database(torn.database) as database:
        database.forget_checkpoint()
    torn.sink.write_bytes(torn.sink.read_bytes()[:-40])
    assert torn.verify().doubt == "the newest checkpoint cannot be read"
    assert torn.checkpoints.write() is not None
    report = torn.verify()
    assert (report.intact, report.doubt, report.covered) == (True, "", ENTRIES)


def test_a_command_writes_where_it_takes_but_a_moment(yard: Yard, tmp_path: Path) -> None:
    """To a file, and not to an object store."""
    yard.record()
    far = open_sink(f"memory://{tmp_path.name}/far")
    distant = type(yard.checkpoints)(yard.records, yard.log, lambda: far, yard.keys, yard.clock)
    assert distant.write_soon() is None
    assert far.lines() == []
    assert yard.checkpoints.write_soon() is not None


def write_on(folder: Path, clock: ManualClock, key: PrivateKey | None, stop: Event) -> None:
    """What other processes do: record, and write checkpoints."""
    yard = Yard(folder, clock, key)
    while not stop.is_set():
        yard.record()
        yard.checkpoints.write()


def test_an_honest_record_is_never_accused_while_others_write(yard: Yard) -> None:
    """Two processes record and vouch as fast as they can; every look in between finds it in order."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    others = [
        context.Process(target=write_on, args=(yard.folder, yard.clock, yard.keys.private, stop)) for _ in range(2)
    ]
    for each in others:
        each.start()
    looks, deadline = 0, time.monotonic() + 20
    while time.monotonic() < deadline and (looks < 40 or yard.log.head().number < ENTRIES + 20):
        report = yard.verify()
        assert (report.intact, report.doubt, report.why) == (True, "", "")
        looks += 1
    stop.set()
    for each in others:
        each.join()
        assert each.exitcode == 0
    assert yard.log.head().number >= ENTRIES + 20
    assert yard.verify().covered == yard.log.head().number


def test_long_records_are_walked_page_by_page(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the page holds: whole pages, half ones, one that somebody has garbled."""
    for page in (1, ENTRIES // 2, ENTRIES - 1, ENTRIES, ENTRIES + 1):
        monkeypatch.setattr("modelyard.audit.chain._PAGE", page)
        assert yard.verify().entries == ENTRIES
        assert [each.seq for each in yard.log.walk(after=3, until=20)] == list(range(4, 21))
    with Database(yard.database) as database:
        database.put(13, "{")
    for page in (1, 5, 1000):
        monkeypatch.setattr("modelyard.audit.chain._PAGE", page)
        assert yard.verify().broken_at == 13
    with pytest.raises(AuditBroken, match="cannot be read"):
        yard.log.entries()


@pytest.mark.parametrize("url", ["memory://{name}/audit", "file://{folder}/audit.jsonl", "{folder}/sub/audit.jsonl"])
def test_checkpoints_go_to_files_and_to_object_stores(
    yard: Yard, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """An object a checkpoint, which is only ever added."""
    place = url.format(name=f"checkpoints-{id(request)}", folder=tmp_path)
    sink = open_sink(place)
    yard.checkpoints = type(yard.checkpoints)(yard.records, yard.log, lambda: open_sink(place), yard.keys, yard.clock)
    assert (sink.lines(), sink.newest(), sink.near) == ([], None, not url.startswith("memory"))
    for _ in range(3):
        yard.record()
        yard.checkpoints.write()
    assert yard.checkpoints.write() is None
    assert [json.loads(line)["seq"] for line in sink.lines()] == [ENTRIES + each for each in (1, 2, 3)]
    assert sink.newest() == sink.lines()[-1]
    assert yard.verify().covered == ENTRIES + 3
    rewrite(yard, random.Random(0))
    assert not yard.verify().intact


def test_a_place_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """With what to correct."""
    (tmp_path / "file").touch()
    sink = FileSink(tmp_path / "file" / "checkpoints.jsonl")
    with pytest.raises(CheckpointsUnavailable, match="cannot be reached"):
        sink.add("1", b"{}")
    with pytest.raises(CheckpointsUnavailable, match="cannot be reached"):
        sink.lines()
    with pytest.raises(CheckpointsUnavailable, match="cannot be kept at 'nowhere'"):
        open_sink("nowhere://bucket/prefix")


def test_a_checkpoint_is_a_line_of_canonical_json(yard: Yard) -> None:
    """Whoever has the public key can check it with openssl."""
    line = yard.sink.read_bytes().splitlines()[0]
    assert list(json.loads(line)) == ["at", "format", "hash", "key", "seq", "signature"]
    made = Checkpoint(**json.loads(line))
    assert yard.keys.public[0].holds("audit checkpoint", made.statement, made.signature)
