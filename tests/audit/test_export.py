"""An exported record proves itself: no line of it can be changed, left out or put elsewhere."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.audit import AuditBroken, NotAnExport, verify_export, write_export
from modelyard.audit.chain import hash_of
from modelyard.core import Conflict, InvalidInput, ManualClock, canonical_json, digest_of
from modelyard.core.signing import PrivateKey

from .attacks import Database, Yard, new_key

HOURS = 12


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    """The workspace's key."""
    return new_key(tmp_path / "keys")


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, key: PrivateKey) -> Yard:
    """An entry an hour, from noon on."""
    made = Yard(tmp_path / "yard", clock, key)
    made.records.migrate()
    for _ in range(HOURS):
        made.record()
        clock.advance(timedelta(hours=1))
    return made


@pytest.fixture
def exported(yard: Yard, key: PrivateKey, tmp_path: Path) -> Path:
    """The whole record as a signed file."""
    write_export(yard.log, tmp_path / "audit.jsonl", project="shop", at=yard.clock.now(), key=key)
    return tmp_path / "audit.jsonl"


def test_the_whole_record_is_a_file_that_holds(exported: Path, key: PrivateKey, tmp_path: Path) -> None:
    """For whoever has the public key; without it the file is right in itself, and says who signed."""
    report = verify_export(exported, [key.public])
    assert (report.project, report.first, report.entries, report.intact) == ("shop", 1, HOURS, True)
    assert (report.signed_by, report.trusted) == (key.public.id, True)
    report = verify_export(exported)
    assert (report.intact, report.signed_by, report.trusted) == (True, key.public.id, False)
    other = new_key(tmp_path / "other").public
    report = verify_export(exported, [other])
    assert (report.intact, report.why) == (False, f"it is signed by {key.public.id}, not by a key to trust")


def test_entries_are_lines_as_they_are_on_record(exported: Path, yard: Yard) -> None:
    """For other tools to read."""
    lines = [json.loads(line) for line in exported.read_bytes().splitlines()]
    assert lines[1:-1] == [{"number": each.seq, **each.body} for each in yard.log.entries()]


def test_a_part_of_the_record_has_no_gaps(yard: Yard, key: PrivateKey, tmp_path: Path, clock: ManualClock) -> None:
    """From a time on, up to a time, or both; where a clock was set back, what stands between comes along."""
    noon = clock.now() - timedelta(hours=HOURS)
    clock.set(noon)
    yard.record()
    clock.advance(timedelta(hours=HOURS))
    yard.record()
    for number, (since, until, first, entries) in enumerate(
        ((3, None, 4, 11), (None, 3, 1, 13), (3, 6, 4, 3), (0, 99, 1, 14), (12, None, 14, 1))
    ):
        path = tmp_path / f"part-{number}.jsonl"
        write_export(
            yard.log,
            path,
            project="shop",
            at=clock.now(),
            key=key,
            since=None if since is None else noon + timedelta(hours=since),
            until=None if until is None else noon + timedelta(hours=until),
        )
        report = verify_export(path, [key.public])
        assert report.intact
        if (since, until) != (3, 6):
            assert (report.first, report.entries) == (first, entries)
    with pytest.raises(InvalidInput, match="between these times"):
        write_export(yard.log, tmp_path / "none", project="s", at=noon, key=key, since=noon + timedelta(days=9))
    assert not (tmp_path / "none").exists()


def test_100_of_100_changes_of_a_file_are_found(exported: Path, key: PrivateKey, tmp_path: Path) -> None:
    """A flipped bit, a line gone, doubled, moved or cut off, bytes at the end; by whoever has the public key."""
    lines = exported.read_bytes().splitlines(keepends=True)
    chance, path = random.Random(0), tmp_path / "changed.jsonl"
    for number in range(100):
        changed = list(lines)
        place = chance.randrange(len(lines))
        if number % 6 == 0:
            data = bytearray(changed[place])
            data[chance.randrange(len(data) - 1)] ^= 1 << chance.randrange(8)
            changed[place] = bytes(data)
        elif number % 6 == 1:
            del changed[place]
        elif number % 6 == 2:
            changed.insert(place, changed[place])
        elif number % 6 == 3:
            other = (place + chance.randrange(1, len(lines))) % len(lines)
            changed[place], changed[other] = changed[other], changed[place]
        elif number % 6 == 4:
            changed = [b"".join(lines)[: chance.randrange(1, len(b"".join(lines)) - 1)]]
        else:
            changed.append(chance.choice([b"\0", b"\n", b"{}\n", lines[-2]]))
        path.write_bytes(b"".join(changed))
        assert found(path, key), number


def found(path: Path, key: PrivateKey) -> bool:
    """Whether a file is no export any more, or a broken one."""
    try:
        report = verify_export(path, [key.public])
    except NotAnExport:
        return True
    return not report.intact and bool(report.why)


def test_a_file_that_was_made_right_again_has_no_signature(exported: Path, key: PrivateKey, tmp_path: Path) -> None:
    """Entries rewritten or left out at the start, with right hashes, head and end."""
    lines = [json.loads(line) for line in exported.read_bytes().splitlines()]
    for attack in ("rewrite", "behead"):
        head, *entries, end = json.loads(json.dumps(lines))
        if attack == "behead":
            entries = entries[3:]
            head |= {"first": 4, "previous": entries[0]["previous"]}
        else:
            entries[5]["principal"] = "somebody else"
            for before, entry in zip([None, *entries], entries, strict=False):
                entry["previous"] = before["hash"] if before else entry["previous"]
                entry["hash"] = hash_of({name: each for name, each in entry.items() if name != "number"})
        first = canonical_json(head)
        end |= {"entries": len(entries), "hash": entries[-1]["hash"], "head": digest_of(first)}
        path = tmp_path / f"{attack}.jsonl"
        body = [first, *map(canonical_json, entries)]
        path.write_bytes(b"\n".join([*body, canonical_json(end)]) + b"\n")
        assert verify_export(path).why == f"the signature is not that of {key.public.id}"
        path.write_bytes(b"\n".join([*body, canonical_json(end | {"public": "", "signature": ""})]) + b"\n")
        assert verify_export(path, [key.public]).why == "nobody has signed the export"


def test_a_broken_record_is_not_exported(yard: Yard, key: PrivateKey, tmp_path: Path) -> None:
    """Half a file is not left either."""
    with Database(yard.database) as database:
        database.put(7, {**database.body(7), "principal": "somebody else"})
    with pytest.raises(AuditBroken, match="entry 7: its content was changed"):
        write_export(yard.log, tmp_path / "audit.jsonl", project="shop", at=yard.clock.now(), key=key)
    with Database(yard.database) as database:
        database.put(7, {})
    with pytest.raises(AuditBroken, match="entry 7"):
        write_export(yard.log, tmp_path / "audit.jsonl", project="shop", at=yard.clock.now(), key=key)
    assert not [each for each in tmp_path.iterdir() if "audit.jsonl" in each.name]


def test_no_file_is_overwritten_and_other_files_are_no_exports(exported: Path, yard: Yard) -> None:
    """Nor is a folder made."""
    before = exported.read_bytes()
    with pytest.raises(Conflict, match="exists already"):
        write_export(yard.log, exported, project="shop", at=yard.clock.now(), key=None)
    assert exported.read_bytes() == before
    with pytest.raises(InvalidInput, match="There is no folder"):
        write_export(yard.log, exported.parent / "no" / "x", project="shop", at=yard.clock.now(), key=None)
    for said in (b"", b"{}\n", b"\xff\n", b"number,at\n1,2\n"):
        exported.write_bytes(said)
        with pytest.raises(NotAnExport, match="is no export"):
            verify_export(exported)
