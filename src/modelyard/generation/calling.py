"""Asking upstreams: a deadline, another try or another upstream while nothing has come, and nobody asked in vain.

An answer begins with the first byte of a body whose status is 200. From there on nothing is tried again: who pays by
token would pay twice, and a caller would read two answers in one.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from modelyard.core import Clock, ModelyardError, NotFound, did_you_mean, log_event, shown

from .answers import Choice, Said, read_said, words_of
from .breaker import Breaker
from .connections import Address, Answer, Connections
from .errors import UpstreamBroken, UpstreamLate, UpstreamRefused, UpstreamSaidError, UpstreamUnavailable
from .events import Event, EventReader
from .records import PriceList, Target, Upstream
from .waiting import retry_after

LARGEST_ANSWER = 16 << 20
"""Bytes of an answer that is not streamed."""

LARGEST_STREAM = 64 << 20
"""Bytes of one that is, with all that stands around its text; what is said in it must fit into a record."""

_LARGEST_REFUSAL = 65_536
_CALLERS = (400, 413, 422)
_BUSY = (408, 409, 425, 429)
_FIRST_PAUSE = 0.05
_REACH = "See the upstream's log, and upstreams in modelyard.yaml."

MakeBody = Callable[[Target], bytes]
"""The request for a target: each upstream calls the model by its own name."""

Tell = Callable[[str, str], None]
"""Is told of an upstream, by name, what came of it: `answered`, `refused`, `busy`, `broken`, `late` or `skipped`."""


@dataclass
class _Known:
    """An upstream, with what is known of it by now."""

    upstream: Upstream
    address: Address
    breaker: Breaker


class Reply:
    """An answer that has begun. Read it as a `whole`, or as `pieces`; close it in any case."""

    def __init__(self, target: Target, answer: Answer, known: _Known, tell: Tell) -> None:
        self.target = target
        self._answer = answer
        self._known = known
        self._tell = tell
        self._done = self._heard = self._over = False
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    @property
    def prices(self) -> PriceList:
        """What its upstream takes, as it was declared when it was asked."""
        return self._known.upstream.prices

    async def whole(self) -> Said:
        """The answer in one piece; UpstreamBroken when it was cut, is half a JSON, too large or of another shape."""
        try:
            said = read_said(await _body(self._answer, LARGEST_ANSWER, self._known.upstream.silent_seconds))
            if not said.choices:
                raise _without("choice")
            if any(each.message is None for each in said.choices):
                raise _without("message")
        except (UpstreamBroken, UpstreamSaidError) as error:
            self._broken(error)
            raise
        self._answered()
        return said

    async def pieces(self) -> AsyncIterator[list[Said]]:
        """The pieces as they come, those that came together in one list; UpstreamBroken when it is cut, or no stream.

        A choice for whose end `[DONE]` alone speaks is ended by a last piece.
        """
        reader, first, size = EventReader(), b"", 0
        try:
            while not self._done and (data := await _read(self._answer, self._known.upstream.silent_seconds)):
                size += len(data)
                _bound("stream", size, LARGEST_STREAM)
                if not self._heard:
                    first += data[: _LARGEST_REFUSAL - len(first)]
                if pieces := self._said(reader.feed(data)):
                    yield pieces
            if not self._done and (pieces := self._said(reader.end())):
                yield pieces
            self._require_end(first, unfinished=reader.unfinished)
            if left := sorted(self._begun - self._ended):
                yield [Said([Choice(index=each, delta={}, finish_reason="stop") for each in left])]
        except (UpstreamBroken, UpstreamSaidError) as error:
            self._broken(error)
            raise
        self._answered()

    def close(self) -> None:
        """Hang up on what has not come: the upstream stops within the moment."""
        self._answer.close(ending=self._done)

    def late(self) -> None:
        """The deadline passed; while it was coming, that is what came of it."""
        if not self._over:
            self._over = True
            self._tell(self.target.upstream, "late")

    def _said(self, events: Sequence[Event]) -> list[Said]:
        """What events say, up to the one that ends the stream."""
        found = []
        for event in events:
            self._heard = True
            if event.data == b"[DONE]":
                self._done = True
                break
            said = read_said(_data(event.kind, event.data))
            for choice in said.choices:
                choice.finish_reason = choice.finish_reason or None  # some say "" until the end
                self._begun.add(choice.index)
                if choice.finish_reason is not None:
                    self._ended.add(choice.index)
            found.append(said)
        return found

    def _require_end(self, first: bytes, *, unfinished: bool) -> None:
        """UpstreamBroken when the stream was none, had not come to its end or had no choice; `first` began it."""
        if not self._heard and first:
            raise _no_stream(first)
        if not self._done and (not self._ended or unfinished):
            raise UpstreamBroken("The upstream's stream ended before its end.", context={"why": "cut"})
        if not self._begun:
            raise _without("choice")

    def _answered(self) -> None:
        self._over = True
        self._known.breaker.succeeded()
        self._tell(self.target.upstream, "answered")

    def _broken(self, error: ModelyardError) -> None:
        self._over = True
        _explain(error, self.target.upstream)
        self._known.breaker.failed()
        self._tell(self.target.upstream, "broken")


class Upstreams:
    """The upstreams that are declared, and asking them. One event loop's; `declare` may change them at any time."""

    def __init__(
        self,
        clock: Clock,
        environment: Mapping[str, str],
        tell: Tell = lambda _name, _outcome: None,
        seed: int | None = None,
    ) -> None:
        """`environment` has the keys, by the variables that upstreams name; `seed` is of pauses between attempts."""
        self._clock = clock
        self._environment = environment
        self._tell = tell
        self._connections = Connections()
        self._known: dict[str, _Known] = {}
        self._random = random.Random(seed)  # noqa: S311 - pauses are no secret

    def declare(self, upstreams: Mapping[str, Upstream]) -> None:
        """These are the upstreams from now on; what is known of those that stay as they are is kept."""
        self._known = {name: self._declared(name, each) for name, each in upstreams.items()}

    def get(self, name: str) -> Upstream:
        """An upstream by name; NotFound says which there are."""
        return self._find(name).upstream

    async def ask(self, targets: Sequence[Target], make_body: MakeBody, *, deadline: float) -> Reply:
        """The first answer that begins, of the targets in their order; `deadline` on the loop's clock bounds all of it.

        Raises UpstreamRefused as soon as one says that the request is wrong, UpstreamLate when the time is over, and
        else what the last target came to. Cancelling hangs up at once.
        """
        error: ModelyardError | None = None
        for target in targets:
            known = self._find(target.upstream)
            if not known.breaker.admits():
                self._tell(target.upstream, "skipped")
                error = error or UpstreamUnavailable(
                    f"The upstream '{target.upstream}' failed again and again, and is left alone for a while.",
                    context={"why": "breaker", "upstream": target.upstream},
                    remedy=_REACH,
                )
                continue
            try:
                return await self._try(target, known, make_body(target), deadline)
            except (UpstreamUnavailable, UpstreamBroken) as failed:
                error = failed
        raise error or NotFound("No upstream is named.", remedy="Register the application with --upstream NAME.")

    def close(self) -> None:
        """Hang up on connections that are kept."""
        self._connections.close()

    def _declared(self, name: str, upstream: Upstream) -> _Known:
        before = self._known.get(name)
        if before is not None and before.upstream == upstream:
            return before
        breaker = Breaker(self._clock, upstream.failures, upstream.cooldown_seconds)
        return _Known(upstream, Address.parse(upstream.url), breaker)

    def _find(self, name: str) -> _Known:
        if (known := self._known.get(name)) is not None:
            return known
        raise NotFound(
            f"There is no upstream '{name}'.",
            code="NO_UPSTREAM",
            remedy=f"{did_you_mean(name, self._known)} Declare it in modelyard.yaml: upstreams.",
        )

    async def _try(self, target: Target, known: _Known, body: bytes, deadline: float) -> Reply:
        """One upstream, as often as it may be asked."""
        pause, attempt = _FIRST_PAUSE, 0
        while True:
            try:
                return await self._once(target, known, body, deadline)
            except UpstreamUnavailable as error:
                known.breaker.failed()
                attempt += 1
                asked = error.context.get("retry_after_s")
                wait = pause * self._random.uniform(0.5, 1.5) if asked is None else float(str(asked))
                left = deadline - asyncio.get_running_loop().time()
                hopeless = error.context.get("why") == "key"
                if attempt > known.upstream.retries or hopeless or wait > min(known.upstream.longest_wait, left):
                    raise
                pause *= 2
                await asyncio.sleep(wait)

    async def _once(self, target: Target, known: _Known, body: bytes, deadline: float) -> Reply:
        upstream, name = known.upstream, target.upstream
        try:
            answer = await self._post(known, body, deadline)
            if answer.status == 200:
                return Reply(target, answer, known, self._tell)
            try:
                async with asyncio.timeout_at(deadline):
                    raise await self._refusal(name, upstream, answer)
            finally:
                answer.close()
        except TimeoutError:
            self._tell(name, "late")
            raise UpstreamLate(
                f"The upstream '{name}' had not begun to answer when the deadline passed.",
                context={"why": "deadline", "upstream": name},
                remedy="Ask for less, or raise the application's deadline_seconds.",
            ) from None
        except ModelyardError as error:
            known_as = {UpstreamRefused: "refused", UpstreamUnavailable: "busy"}.get(type(error), "broken")
            self._tell(name, known_as)
            _explain(error, name)
            if isinstance(error, UpstreamBroken):
                known.breaker.failed()
            raise

    async def _post(self, known: _Known, body: bytes, deadline: float) -> Answer:
        """Status and headers; UpstreamUnavailable when they are silent for too long, TimeoutError at the deadline."""
        upstream = known.upstream
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if upstream.key_variable is not None:
            headers["authorization"] = f"Bearer {self._key(upstream.key_variable)}"
        post = self._connections.post(
            known.address, "/chat/completions", headers, body, connect_seconds=upstream.connect_seconds
        )
        silent = asyncio.get_running_loop().time() + upstream.silent_seconds
        try:
            async with asyncio.timeout_at(min(silent, deadline)):
                return await post
        except TimeoutError:
            if deadline <= silent:
                raise
            raise UpstreamUnavailable(
                f"Nothing came in {upstream.silent_seconds:g} s.", context={"why": "silent"}, remedy=_REACH
            ) from None

    def _key(self, variable: str) -> str:
        key = self._environment.get(variable, "")
        if key and key.isascii() and key.isprintable():
            return key
        raise UpstreamUnavailable(
            f"The server's environment has no key for the upstream in {variable}.",
            context={"why": "key"},
            remedy=f"Start the server with {variable} set.",
        )

    async def _refusal(self, name: str, upstream: Upstream, answer: Answer) -> ModelyardError:
        """What a status other than 200 means."""
        try:
            said = await _body(answer, _LARGEST_REFUSAL, upstream.silent_seconds)
        except UpstreamBroken:
            said = b""
        error = _error_in(said)
        told = f"The upstream '{name}' answered {answer.status}: {words_of(error).rstrip('.')}."
        context: dict[str, object] = {"upstream": name, "status": answer.status, "why": "status"}
        if answer.status in _CALLERS:
            named = error if isinstance(error, dict) else {}
            more = {key: str(named[key])[:200] for key in ("param", "code") if isinstance(named.get(key), str | int)}
            return UpstreamRefused(told, context={**context, **more}, remedy="Change the request as it says.")
        if answer.status in _BUSY or answer.status >= 500:
            header = answer.headers.get("retry-after")
            if header is not None:
                seconds = retry_after(header, self._clock.now())
                if seconds is None:
                    return _absurd(told, header, context)
                context["retry_after_s"] = seconds
            return UpstreamUnavailable(told, context=context, remedy=_REACH)
        log_event("generation", "upstream does not take our requests", upstream=name, status=answer.status)
        return UpstreamBroken(told, context=context, remedy=_REACH)


def _absurd(told: str, header: str, context: dict[str, object]) -> UpstreamBroken:
    return UpstreamBroken(
        f"{told} It asks with Retry-After {shown(header)} for what nobody can mean.",
        context={**context, "why": "retry_after"},
        remedy=_REACH,
    )


def _explain(error: ModelyardError, upstream: str) -> None:
    """Say of an error which upstream it is about, and what to do where that was not said."""
    error.context.setdefault("upstream", upstream)
    error.remedy = error.remedy or f"Ask again; when it comes again, see the log of the upstream '{upstream}'."


async def _read(answer: Answer, seconds: float) -> bytes:
    """The next bytes; UpstreamBroken after so many seconds of silence."""
    if answer.at_hand:
        return await answer.read()  # no clock is set for what nobody waits for
    try:
        async with asyncio.timeout(seconds):
            return await answer.read()
    except TimeoutError:
        raise UpstreamBroken(f"The upstream fell silent for {seconds:g} s.", context={"why": "cut"}) from None


async def _body(answer: Answer, largest: int, seconds: float) -> bytes:
    parts, size = [], 0
    while data := await _read(answer, seconds):
        parts.append(data)
        size += len(data)
        _bound("answer", size, largest)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _bound(what: str, size: int, largest: int) -> None:
    if size > largest:
        raise UpstreamBroken(f"The upstream's {what} has more than {largest} bytes.", context={"why": "size"})


def _without(what: str) -> UpstreamBroken:
    return UpstreamBroken(f"The upstream answered without a {what}.", context={"why": "shape"})


def _no_stream(said: bytes) -> ModelyardError:
    """Why an answer in which no event came is no stream: it is an error in one piece, or something else."""
    try:
        read_said(said)
    except UpstreamSaidError as error:
        return error
    except UpstreamBroken:
        pass
    return UpstreamBroken(
        f"The upstream answered with no stream of events: {shown(said.decode('utf-8', 'replace'), 100)}.",
        context={"why": "shape"},
    )


def _data(kind: str, data: bytes) -> bytes:
    if kind == "error":
        raise UpstreamSaidError(f"The upstream ended its answer with an error: {data.decode('utf-8', 'replace')[:500]}")
    return data


def _error_in(said: bytes) -> object:
    """The error of a body of OpenAI's shape, or what else it says."""
    try:
        found = msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return said.decode("utf-8", "replace").strip() or "nothing more"
    if isinstance(found, dict):
        return found.get("error") or found.get("detail") or found
    return found
