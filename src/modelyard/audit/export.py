"""The audit record, or a part of it, as a file that proves itself: a head, an entry a line, and a signed end."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

import msgspec

from modelyard.core import Conflict, Digest, InvalidInput, canonical_json, digest_of, sync_folder
from modelyard.core.signing import PrivateKey, PublicKey, public_key_of
from modelyard.storage import Entry

from .chain import GENESIS, STREAM, AuditLog, misfit
from .errors import AuditBroken, NotAnExport

_KIND = "audit export"
_LONGEST = 1 << 24
"""No line of an export is longer: 16 MiB."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: whose record, written when, from which entry on and what that one follows; and the format."""

    project: str
    at: str
    first: int
    previous: str
    audit: int = 1


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: how many entries, the last one's hash, the digest of the head; and whose word that is.

    `public` is the key that signed (32 bytes in base64): whoever reads compares it with keys of his own.
    """

    entries: int
    hash: str
    head: Digest
    public: str = ""
    signature: str = ""

    @property
    def statement(self) -> dict[str, object]:
        """What is signed."""
        return {"entries": self.entries, "hash": self.hash, "head": self.head}


@dataclass(frozen=True)
class ExportReport:
    """What checking an export found; `signed_by` is the id of the key that signed, `trusted` whether it is known."""

    project: str
    first: int
    entries: int
    intact: bool
    broken_at: int | None = None
    why: str = ""
    signed_by: str | None = None
    trusted: bool = False


def write_export(
    log: AuditLog,
    output: Path,
    *,
    project: str,
    at: datetime,
    key: PrivateKey | None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> End:
    """Write entries to a new file, from the first at `since` or later to the last before `until`, and none left out.

    Entries are in the order in which they were recorded; where a clock was set back, some of other times stand between.
    InvalidInput when there are none, Conflict when the file is there already, AuditBroken when the record is.
    """
    first, last = _range(log, since, until)
    with _new_file(output) as file:
        newest, count = str(first.body["previous"]), 0
        head = canonical_json(msgspec.to_builtins(Head(project, at.isoformat(), first.seq, newest)))
        file.write(head + b"\n")
        for entry in log.walk(after=first.seq - 1, until=last):
            if why := misfit(entry, first.seq + count, newest):
                raise _broken(first.seq + count, why)
            newest, count = str(entry.body["hash"]), count + 1
            file.write(canonical_json({"number": entry.seq, **entry.body}) + b"\n")
        end = _signed(End(count, newest, digest_of(head)), key)
        file.write(canonical_json(msgspec.to_builtins(end)) + b"\n")
    return end


def verify_export(path: Path, keys: Sequence[PublicKey] = ()) -> ExportReport:
    """Check an export by itself: every entry, the end, and its signature; with `keys` one of them must have signed.

    NotAnExport when it does not begin as one.
    """
    with path.open("rb") as file:
        lines = _lines(file)
        first = next(lines, b"")
        head = _head(path, first)
        report = ExportReport(head.project, head.first, 0, intact=True)
        if head.first == 1 and head.previous != GENESIS:
            return _misfitting(report, "nothing comes before the first entry")
        previous, held = head.previous, next(lines, None)
        for line in lines:
            entry = _entry(held or b"")
            if why := "its content cannot be read" if entry is None else misfit(entry, _next(report), previous):
                return _misfitting(report, why)
            previous = str(entry.body["hash"]) if entry is not None else previous
            report, held = replace(report, entries=report.entries + 1), line
    return _ended(report, End(report.entries, previous, digest_of(first)), held, keys)


def _ended(report: ExportReport, right: End, line: bytes | None, keys: Sequence[PublicKey]) -> ExportReport:
    """Whether the last line is the end of what stands above it, and signed."""
    try:
        end = msgspec.json.decode(line or b"", type=End)
        signer = public_key_of(end.public) if end.public else None
    except (msgspec.MsgspecError, ValueError):
        return _misfitting(report, "the end of the export is missing")
    if end.statement != right.statement or canonical_json(msgspec.to_builtins(end)) != line:
        return _misfitting(report, "the end says something else than what stands above it")
    if signer is None:
        return _misfitting(report, "nobody has signed the export") if keys else report
    if not signer.holds(_KIND, end.statement, end.signature):
        return _misfitting(report, f"the signature is not that of {signer.id}")
    if keys and signer not in keys:
        return _misfitting(report, f"it is signed by {signer.id}, not by a key to trust")
    return replace(report, signed_by=signer.id, trusted=signer in keys)


def _misfitting(report: ExportReport, why: str) -> ExportReport:
    return replace(report, intact=False, broken_at=_next(report), why=why)


def _next(report: ExportReport) -> int:
    return report.first + report.entries


def _range(log: AuditLog, since: datetime | None, until: datetime | None) -> tuple[Entry, int]:
    """The first entry to write, and the number of the last one."""
    first, last = None, 0
    for entry in log.walk():
        at = _at(entry)
        if first is None and (since is None or at >= since):
            first = entry
        if until is None or at < until:
            last = entry.seq
    if first is None or last < first.seq:
        raise InvalidInput(
            "Nothing is on record between these times." if since or until else "Nothing is on record yet.",
            code="NOTHING_ON_RECORD",
            remedy="See what is: modelyard audit list",
        )
    return first, last


def _at(entry: Entry) -> datetime:
    try:
        return datetime.fromisoformat(str(entry.body["at"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(entry.seq, "its content cannot be read") from error


def _signed(end: End, key: PrivateKey | None) -> End:
    if key is None:
        return end
    return msgspec.structs.replace(end, public=key.public.text, signature=key.sign(_KIND, end.statement))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file without their ends; what is longer than any line of an export comes in pieces."""
    while line := file.readline(_LONGEST):
        yield line.removesuffix(b"\n")


def _head(path: Path, line: bytes) -> Head:
    try:
        return msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, ValueError) as error:  # the latter for what is no UTF-8
        raise NotAnExport(
            f"{path} is no export of an audit record: its first line is not the head of one.",
            remedy="Write one: modelyard audit export -o FILE",
        ) from error


def _entry(line: bytes) -> Entry | None:
    """An entry as the record has it; None when the line is not one as it was written."""
    try:
        body = json.loads(line)
        if not isinstance(body, dict) or canonical_json(body) != line:
            return None
    except (ValueError, RecursionError):
        return None
    return Entry(STREAM, body.pop("number", 0), body)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears whole when the block ends, and not at all when it raises; Conflict when it is there."""
    if not path.parent.is_dir():
        raise InvalidInput(f"There is no folder {path.parent}.", remedy="Make it first.")
    descriptor, temporary = mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        Path(path).hardlink_to(temporary)
    except FileExistsError as error:
        raise Conflict(f"{path} exists already.", code="FILE_EXISTS", remedy="Choose another name.") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    sync_folder(path.parent)


def _broken(number: int, why: str) -> AuditBroken:
    return AuditBroken(
        f"The audit record is broken at entry {number}: {why}.",
        context={"broken_at": number},
        remedy="Look closer: modelyard audit verify",
    )
