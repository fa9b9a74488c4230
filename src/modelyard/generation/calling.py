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

from .answers import Said, read_said, words_of
from .breaker import Breaker
from .connections import Address, Answer, Connections
from .errors import UpstreamBroken, UpstreamLate, UpstreamRefused, UpstreamSaidError, UpstreamUnavailable
from .events import Event, EventReader
from .records import Target, Upstream
from .waiting import retry_after

LARGEST_ANSWER = 16 << 20
"""Bytes of an answer that is not streamed."""

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
        self._done = False

    async def whole(self) -> Said:
        """The answer in one piece; UpstreamBroken when it was cut, is half a JSON, too large or of another shape."""
        try:
            said = read_said(await _body(self._answer, LARGEST_ANSWER, self._known.upstream.silent_seconds))
            if not said.choices:
                raise UpstreamBroken("The upstream answered without a choice.", context={"why": "shape"})
        except (UpstreamBroken, UpstreamSaidError) as error:
            self._broken(error)
            raise
        self._answered()
        return said

    async def pieces(self) -> AsyncIterator[list[Said]]:
        """The pieces as they come, those that came together in one list; UpstreamBroken when the stream is cut."""
        reader, finished = EventReader(), False
        try:
            while not self._done and (data := await _read(self._answer, self._known.upstream.silent_seconds)):
                if pieces := self._said(reader.feed(data)):
                    finished = finished or any(choice.finish_reason for each in pieces for choice in each.choices)
                    yield pieces
            if not self._done and (pieces := self._said(reader.end())):
                yield pieces
            if not self._done and (not finished or reader.unfinished):
                raise UpstreamBroken("The upstream's stream ended before its end.", context={"why": "cut"})
        except (UpstreamBroken, UpstreamSaidError) as error:
            self._broken(error)
            raise
        self._answered()

    def close(self) -> None:
        """Hang up on what has not come: the upstream stops within the moment."""
        self._answer.close(ending=self._done)

    def _said(self, events: Sequence[Event]) -> list[Said]:
        """What events say, up to the one that ends the stream."""
        found = []
        for event in events:
            if event.data == b"[DONE]":
                self._done = True
                break
            found.append(read_said(_data(event.kind, event.data)))
        return found

    def _answered(self) -> None:
        self._known.breaker.succeeded()
        self._tell(self.target.upstream, "answered")

    def _broken(self, error: ModelyardError) -> None:
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
            async with asyncio.timeout_at(deadline):
                answer = await self._post(known, body)
                if answer.status == 200:
                    return Reply(target, answer, known, self._tell)
                try:
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

    async def _post(self, known: _Known, body: bytes) -> Answer:
        upstream = known.upstream
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if upstream.key_variable is not None:
            headers["authorization"] = f"Bearer {self._key(upstream.key_variable)}"
        post = self._connections.post(
            known.address, "/chat/completions", headers, body, connect_seconds=upstream.connect_seconds
        )
        try:
            async with asyncio.timeout(upstream.silent_seconds):
                return await post
        except TimeoutError:
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
            more = {key: str(named[key])[:200] for key in ("param", "code") if named.get(key) is not None}
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
        if size > largest:
            raise UpstreamBroken(f"The upstream's answer has more than {largest} bytes.", context={"why": "size"})
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
