"""Texts through several guards at once: what may leave leaves, as soon as every guard has said so."""

from bisect import insort
from codecs import getincrementaldecoder
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelyard.core import Verdict

from .contract import Context, Guard, Scan
from .records import Action, Claim, Finding, Outcome, placeholder


@dataclass(frozen=True)
class Armed:
    """A guard, and what is done about what it finds."""

    guard: Guard
    action: Action


@dataclass(frozen=True, order=True)
class _Cover:
    """Characters that a placeholder stands for; the first of those that overlap gives it its name."""

    start: int
    order: int
    kind: str
    end: int


class GuardedStream:
    """A text on its way out, through guards.

    What `feed` and `end` return, put together, is the text with a placeholder for each stretch of characters that are
    claimed by guards that redact (claims that overlap or touch are one stretch), however the text was split. With a
    finding whose action ends the text, only what stands before it leaves; `refused` is true from then on. Guards that
    flag hold nothing back.

    A guard that raises fails. When `fail_closed`, nothing leaves from there on that this guard had not cleared, and
    `refused` is true; otherwise the text goes on without it, and the outcome names it.
    """

    def __init__(self, guards: Iterable[Armed], context: Context | None = None, *, fail_closed: bool = True) -> None:
        self._armed = tuple(guards)
        self._fail_closed = fail_closed
        self._scans: dict[int, Scan] = {}
        self._kept = ""  # characters that were read and have not left
        self._place = 0  # where these begin in the text
        self._covers: list[_Cover] = []
        self._open: _Cover | None = None  # the stretch at `_place`, when that is inside of one
        self._cut: int | None = None  # nothing leaves from here on
        self._findings: dict[tuple[int, str], list[Claim]] = {}
        self._failed: list[str] = []
        for index, armed in enumerate(self._armed):
            self._try_open(index, armed, context or Context())

    @property
    def refused(self) -> bool:
        """Whether nothing leaves any more."""
        return self._cut is not None and self._place >= self._cut

    def feed(self, text: str) -> str:
        """Read the next characters; what may leave now."""
        if not self.refused:
            self._kept += text
        for index in list(self._scans):
            self._ask(index, text)
        return "" if self.refused else self._let_out(self._frontier(), final=False)

    def end(self, text: str = "") -> str:
        """Read the last characters; what may leave of the rest."""
        if not self.refused:
            self._kept += text
        for index in list(self._scans):
            self._ask(index, text, last=True)
        return "" if self.refused else self._let_out(self._place + len(self._kept), final=True)

    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, by place. Guards go on reading behind a refusal."""
        found = [
            Finding(start, end, self._armed[index].guard.name, kind, self._armed[index].action)
            for (index, kind), claims in self._findings.items()
            for start, end, _ in claims
        ]
        return tuple(sorted(found))

    def outcome(self, text: str) -> Outcome:
        """What is to be said of the whole, of which `text` has left."""
        findings = self.findings()
        if findings:
            verdict = Verdict.FAIL
        elif self._failed or not self._armed:
            verdict = Verdict.INCONCLUSIVE
        else:
            verdict = Verdict.PASS
        return Outcome(verdict, text, findings, self.refused, tuple(self._failed))

    def _try_open(self, index: int, armed: Armed, context: Context) -> None:
        try:
            self._scans[index] = armed.guard.open(context)
        except Exception:
            self._fail(armed, 0)

    def _ask(self, index: int, text: str, *, last: bool = False) -> None:
        """Give one guard the next characters, or the last ones."""
        armed, scan = self._armed[index], self._scans[index]
        clear = self._place
        try:
            clear = scan.clear
            claims = scan.end(text) if last else scan.feed(text)
        except Exception:
            del self._scans[index]
            self._fail(armed, clear)
            return
        for claim in claims:
            self._heed(index, armed.action, claim)

    def _fail(self, armed: Armed, clear: int) -> None:
        self._failed.append(armed.guard.name)
        if self._fail_closed:
            self._stop(clear)

    def _stop(self, place: int) -> None:
        place = max(place, self._place)
        self._cut = place if self._cut is None else min(self._cut, place)

    def _heed(self, index: int, action: Action, claim: Claim) -> None:
        _unite(self._findings.setdefault((index, claim.kind), []), claim)
        if action.ends:
            self._stop(claim.start)
        elif action is Action.REDACT and not self.refused:
            insort(self._covers, _Cover(claim.start, index, claim.kind, claim.end))

    def _frontier(self) -> int:
        """Up to where every guard whose findings change the text has said all it will say."""
        read = self._place + len(self._kept)
        deciding = (scan for index, scan in self._scans.items() if self._armed[index].action is not Action.FLAG)
        return min([read, *(scan.clear for scan in deciding)])

    def _let_out(self, frontier: int, *, final: bool) -> str:
        left: list[str] = []
        limit = frontier if self._cut is None else min(frontier, self._cut)
        while True:
            if self._open is None:
                if not self._covers or self._covers[0].start >= limit:
                    left.append(self._take(limit))
                    return "".join(left)
                left.append(self._take(self._covers[0].start))
                self._open = self._covers.pop(0)
            self._open = stretch = self._widened(self._open)
            if not final and frontier <= stretch.end:
                self._take(frontier)
                return "".join(left)
            if self._cut is not None and self._cut <= stretch.end:
                self._cut = self._place
                return "".join(left)
            self._take(stretch.end)
            left.append(placeholder(stretch.kind))
            self._open = None

    def _widened(self, stretch: _Cover) -> _Cover:
        """The stretch with all that overlaps it or touches it."""
        end, taken = stretch.end, 0
        while taken < len(self._covers) and self._covers[taken].start <= end:
            end = max(end, self._covers[taken].end)
            taken += 1
        del self._covers[:taken]
        return _Cover(stretch.start, stretch.order, stretch.kind, end)

    def _take(self, place: int) -> str:
        """The characters up to a place of the text, which are kept no longer."""
        count = max(0, place - self._place)
        taken, self._kept = self._kept[:count], self._kept[count:]
        self._place += len(taken)
        return taken


def _unite(claims: list[Claim], claim: Claim) -> None:
    """Put a claim among others of its kind, ordered and apart: with those that it overlaps or touches it is one."""
    at = len(claims)
    while at and claims[at - 1].end >= claim.start:
        at -= 1
    start, end, behind = claim.start, claim.end, at
    while behind < len(claims) and claims[behind].start <= end:
        start, end = min(start, claims[behind].start), max(end, claims[behind].end)
        behind += 1
    claims[at:behind] = [Claim(start, end, claim.kind)]


class GuardedBytes:
    """The same for UTF-8 that may be cut inside of a character. Bytes that are none become U+FFFD, as they came."""

    def __init__(self, stream: GuardedStream) -> None:
        self._stream = stream
        self._decoder = getincrementaldecoder("utf-8")(errors="replace")

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes; what may leave now."""
        return self._stream.feed(self._decoder.decode(data)).encode()

    def end(self) -> bytes:
        """There is no more; what may leave of the rest."""
        return self._stream.end(self._decoder.decode(b"", final=True)).encode()


def check(guards: Sequence[Armed], text: str, context: Context | None = None, *, fail_closed: bool = True) -> Outcome:
    """What guards say of a whole text: exactly what a stream of it, in whatever parts, comes to."""
    stream = GuardedStream(guards, context, fail_closed=fail_closed)
    return stream.outcome(stream.end(text))
