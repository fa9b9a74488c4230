"""Operations on the audit record."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.audit import AuditReport, Told, verify_export, write_export
from modelyard.core import InvalidInput, NotFound
from modelyard.storage import Entry
from modelyard.wiring import FILE_NAME, Project, read_trusted_key

from .contract import Call, Nothing, Option, operation
from .times import instant_of

_PAGE = 500
"""So many entries are read at once."""


@dataclass(frozen=True)
class AuditPage:
    """Which entries of the audit record."""

    after: Annotated[int, Option("Only entries beyond this number.")] = 0
    limit: Annotated[int, Option("At most so many.")] = 50
    principal: Annotated[str | None, Option("Only what they did; * stands for anything.")] = None
    action: Annotated[str | None, Option("Only this action, such as model.promote or 'key.*'.")] = None
    subject: Annotated[str | None, Option("Only what was done to this; * stands for anything.")] = None
    since: Annotated[str | None, Option("Only from this time on: ISO 8601, or how long ago, such as 7d.")] = None
    until: Annotated[str | None, Option("Only before this time: ISO 8601, or how long ago.")] = None
    newest: Annotated[bool, Option("The newest first.")] = False
    before: Annotated[int | None, Option("With --newest: only entries below this number.")] = None


@dataclass(frozen=True)
class AuditVerify:
    """How much of the record to read."""

    recent: Annotated[bool, Option("Only what has come since the newest checkpoint that a known key signed.")] = False


@dataclass(frozen=True)
class AuditExport:
    """Where to write the record, and which part of it."""

    output: Annotated[Path, Option("File to write; it must not exist.", flag="-o")]
    since: Annotated[str | None, Option("From the first entry at this time or later; as in `audit list`.")] = None
    until: Annotated[str | None, Option("To the last entry before this time.")] = None


_WATCHING: ContextVar[Told] = ContextVar("watching", default=lambda *_: None)


@contextmanager
def watching(told: Told) -> Iterator[None]:
    """Tell how far a check has come that is made inside the block."""
    token = _WATCHING.set(told)
    try:
        yield
    finally:
        _WATCHING.reset(token)


@operation("audit", "list", Permission.READ)
def audit_list(call: Call[AuditPage]) -> Any:
    """Who did what, when."""
    if call.input.after < 0 or call.input.limit < 1:
        raise InvalidInput("--after counts from 0 and --limit from 1.", remedy="modelyard audit list --limit 50")
    wanted = _filter(call.input, call.project.clock.now())
    entries = (
        _backwards(call.project, call.input) if call.input.newest else call.project.audit.walk(after=call.input.after)
    )
    found = (entry for entry in entries if wanted(entry))
    return [{"number": entry.seq, **entry.body} for entry in islice(found, call.input.limit)]


@operation("audit", "verify", Permission.READ)
def audit_verify(call: Call[AuditVerify]) -> Any:
    """Check the whole audit record against its hashes and its checkpoints."""
    report = call.project.checkpoints.verify(recent=call.input.recent, told=_WATCHING.get())
    return {"verdict": verdict_of(report), **asdict(report)}


@operation("audit", "checkpoint", Permission.OPERATE)
def audit_checkpoint(call: Call[Nothing]) -> Any:
    """Write a signed checkpoint of the audit record now."""
    made = call.project.checkpoints.write()
    head = call.project.audit.head()
    return {"entries": head.number, "hash": head.hash, "written": made is not None, "key": made.key if made else None}


@operation("audit", "export", Permission.READ, local=True)
def audit_export(call: Call[AuditExport]) -> Any:
    """Write the audit record to a file that can be verified alone."""
    now, given = call.project.clock.now(), call.input
    end = write_export(
        call.project.audit,
        given.output,
        project=call.project.settings.project,
        at=now,
        key=call.project.keys.own(),
        since=instant_of(given.since, now),
        until=instant_of(given.until, now),
    )
    return {"file": str(given.output), "entries": end.entries, "hash": end.hash, "signed": bool(end.public)}


def check_export(path: Path, trusted: Sequence[str] = (), project: Path = Path()) -> dict[str, Any]:
    """Check an exported file: against the keys in `trusted`, or else those that the project in a folder knows."""
    if not path.is_file():
        raise NotFound(
            f"There is no file {path}.", code="NO_EXPORT", remedy="Write one: modelyard audit export -o FILE"
        )
    keys = tuple(map(read_trusted_key, trusted))
    if not keys and (project / FILE_NAME).is_file():
        with closing(Project(project)) as opened:
            keys = opened.keys.known()
    report = verify_export(path, keys)
    return {"file": str(path), "verdict": "pass" if report.intact else "fail", **asdict(report)}


def verdict_of(report: AuditReport) -> str:
    """`fail` for a broken record, `inconclusive` for one that is not proved."""
    if not report.intact:
        return "fail"
    return "inconclusive" if report.doubt else "pass"


def _backwards(project: Project, page: AuditPage) -> Iterator[Entry]:
    """Entries beyond `after` and below `before`, the newest first; numbers have no gaps."""
    top = project.audit.head().number if page.before is None else page.before - 1
    while top > page.after:
        bottom = max(page.after, top - _PAGE)
        yield from reversed(project.audit.entries(after=bottom, limit=top - bottom))
        top = bottom


_PATTERN = 256
"""Characters of a pattern, which is tried on every entry."""


def _filter(page: AuditPage, now: datetime) -> Callable[[Entry], bool]:
    patterns = {name: getattr(page, name) for name in ("principal", "action", "subject")}
    asked = {name: pattern for name, pattern in patterns.items() if pattern is not None}
    if long := [name for name, pattern in asked.items() if len(pattern) > _PATTERN]:
        raise InvalidInput(f"'{long[0]}' has more than {_PATTERN} characters.", context={"path": long[0]})
    since, until = instant_of(page.since, now), instant_of(page.until, now)

    def wanted(entry: Entry) -> bool:
        if not all(fnmatchcase(str(entry.body.get(name, "")), pattern) for name, pattern in asked.items()):
            return False
        if since is None and until is None:
            return True
        at = datetime.fromisoformat(str(entry.body["at"]))
        return (since is None or at >= since) and (until is None or at < until)

    return wanted
