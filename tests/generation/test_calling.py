"""Asking upstreams, with one that goes wrong in every way there is."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from modelyard.core import ModelyardError, NotFound, SystemClock
from modelyard.generation import (
    Reply,
    Target,
    Upstream,
    UpstreamBroken,
    UpstreamLate,
    UpstreamRefused,
    Upstreams,
    UpstreamSaidError,
    UpstreamUnavailable,
    Usage,
)
from modelyard.testing import FaultyUpstream

TEXT = "Grüße an 世界 and 🌍 today"


class Asking:
    """Upstreams `one` and `two`, both the faulty server, and one that is nowhere."""

    def __init__(self, faulty: FaultyUpstream, **settings: Any) -> None:
        self.faulty = faulty
        self.told: Counter[str] = Counter()
        self.upstreams = Upstreams(SystemClock(), {"KEY": "secret"}, self._tell, seed=1)
        one = Upstream(faulty.url, key_variable="KEY", **settings)
        nowhere = Upstream("http://127.0.0.1:9/v1")
        keyless = Upstream(faulty.url, key_variable="MISSING")
        self.upstreams.declare({"one": one, "two": Upstream(faulty.url), "nowhere": nowhere, "keyless": keyless})

    def _tell(self, name: str, outcome: str) -> None:
        self.told[f"{name} {outcome}"] += 1

    async def ask(self, *targets: str, stream: bool = False, seconds: float = 20.0) -> Reply:
        """Ask targets, `upstream/model` each."""
        named = [Target(*each.split("/")) for each in targets]
        deadline = asyncio.get_running_loop().time() + seconds
        return await self.upstreams.ask(named, lambda target: body(target.model, stream=stream), deadline=deadline)

    async def text(self, *targets: str, stream: bool = False, seconds: float = 20.0) -> tuple[str, Usage | None]:
        """The text and usage of the answer."""
        reply = await self.ask(*targets, stream=stream, seconds=seconds)
        try:
            if not stream:
                said = await reply.whole()
                return (said.choices[0].message or {})["content"], said.tokens
            parts, usage = [], None
            async for pieces in reply.pieces():
                for piece in pieces:
                    parts += [(each.delta or {}).get("content", "") for each in piece.choices]
                    usage = piece.tokens or usage
            return "".join(parts), usage
        finally:
            reply.close()


def body(model: str, *, stream: bool) -> bytes:
    """A request."""
    asked = {"model": model, "messages": [{"role": "user", "content": TEXT}], "stream": stream}
    return msgspec.json.encode(asked)


def with_upstream(test: Callable[[Asking], Awaitable[None]], **settings: Any) -> None:
    """Run a test beside the faulty server."""

    async def run() -> None:
        faulty = FaultyUpstream()
        await faulty.start()
        asking = Asking(faulty, **settings)
        try:
            await test(asking)
        finally:
            asking.upstreams.close()
            faulty.close()

    asyncio.run(run())


def test_an_answer_whole_or_in_pieces_has_equal_text_and_usage() -> None:
    """Also when every byte comes by itself, and when usage is told with each piece: it is counted once."""

    async def test(asking: Asking) -> None:
        expected = (TEXT, Usage(10, 6, 2))
        assert await asking.text("one/answer") == expected
        for fault in ("answer", "bytes", "repeated-usage"):
            assert await asking.text(f"one/{fault}", stream=True) == expected
        assert await asking.text("one/no-usage", stream=True) == (TEXT, None)
        assert asking.faulty.headers[0]["authorization"] == "Bearer secret"

    with_upstream(test)


@pytest.mark.parametrize(
    ("fault", "stream", "kind", "why"),
    [
        ("cut", False, UpstreamBroken, "cut"),
        ("cut", True, UpstreamBroken, "cut"),
        ("half-json", False, UpstreamBroken, "json"),
        ("half-event", True, UpstreamBroken, "json"),
        ("other-shape", False, UpstreamBroken, "shape"),
        ("other-shape", True, UpstreamBroken, "shape"),
        ("no-choice", False, UpstreamBroken, "shape"),
        ("not-http", False, UpstreamBroken, "protocol"),
        ("forbidden", False, UpstreamBroken, "status"),
        ("error-event", True, UpstreamSaidError, None),
        ("refuse", False, UpstreamRefused, "status"),
        ("busy", False, UpstreamUnavailable, "status"),
        ("busy-absurd", True, UpstreamBroken, "retry_after"),
        ("busy-nonsense", False, UpstreamBroken, "retry_after"),
        ("busy-past", False, UpstreamBroken, "retry_after"),
        ("hang-up", True, UpstreamUnavailable, "hung up"),
    ],
)
def test_each_fault_has_its_error(fault: str, stream: bool, kind: type[ModelyardError], why: str | None) -> None:
    """None of them hangs, and none is a bare exception."""

    async def test(asking: Asking) -> None:
        with pytest.raises(kind) as told:
            await asking.text(f"two/{fault}", stream=stream)
        assert told.value.context.get("why") == why

    with_upstream(test)


def test_what_an_upstream_says_of_a_request_is_handed_on() -> None:
    """Parameter and code, so that a client reads them as if it had asked itself."""

    async def test(asking: Asking) -> None:
        with pytest.raises(UpstreamRefused, match="too long") as told:
            await asking.text("one/too-long", "two/answer")
        assert told.value.context["code"] == "context_length_exceeded"
        assert asking.faulty.asked == {"too-long": 1}  # a wrong request is wrong everywhere

    with_upstream(test)


def test_another_try_is_made_while_nothing_has_come_and_never_after() -> None:
    """One that was cut may have been paid for."""

    async def test(asking: Asking) -> None:
        assert (await asking.text("one/busy-once"))[0] == TEXT
        assert asking.faulty.asked["busy-once"] == 2
        for stream in (False, True):
            with pytest.raises(UpstreamBroken):
                await asking.text("one/cut", "two/answer", stream=stream)
        assert asking.faulty.asked["cut"] == 2
        assert asking.faulty.asked["answer"] == 0

    with_upstream(test)


@pytest.mark.parametrize("header", ["absurd", "nonsense", "past"])
def test_nobody_waits_for_an_absurd_retry_after(header: str) -> None:
    """There is no second try there; the next target is asked at once."""

    async def test(asking: Asking) -> None:
        assert (await asking.text(f"one/busy-{header}", "two/answer"))[0] == TEXT
        assert asking.faulty.asked == {f"busy-{header}": 1, "answer": 1}
        with pytest.raises(UpstreamBroken, match="Retry-After '") as told:
            await asking.text(f"one/busy-{header}")
        assert told.value.context["why"] == "retry_after"
        assert "upstreams in modelyard.yaml" in told.value.remedy

    with_upstream(test)


def test_an_upstream_that_is_nowhere_or_has_no_key_gives_way_to_the_next() -> None:
    """The key of one upstream is never sent to another."""

    async def test(asking: Asking) -> None:
        assert (await asking.text("nowhere/answer", "keyless/answer", "two/answer"))[0] == TEXT
        assert "authorization" not in asking.faulty.headers[0]
        with pytest.raises(UpstreamUnavailable, match="MISSING"):
            await asking.text("keyless/answer")
        with pytest.raises(NotFound, match="'onne'") as told:
            await asking.text("onne/answer")
        assert "Did you mean 'one'?" in told.value.remedy

    with_upstream(test)


def test_an_upstream_that_fails_again_and_again_is_left_alone() -> None:
    """Until its cooldown is over it is not asked at all."""

    async def test(asking: Asking) -> None:
        for _ in range(3):
            with pytest.raises(UpstreamUnavailable):
                await asking.text("one/hang-up")
        with pytest.raises(UpstreamUnavailable) as told:
            await asking.text("one/answer")
        assert told.value.context["why"] == "breaker"
        assert asking.faulty.asked == {"hang-up": 3}
        assert asking.told["one skipped"] == 1
        assert (await asking.text("one/answer", "two/answer"))[0] == TEXT

    with_upstream(test, failures=3, retries=0)


def test_the_deadline_holds_for_all_tries_together() -> None:
    """An upstream that takes the request and says nothing."""

    async def test(asking: Asking) -> None:
        with pytest.raises(UpstreamLate):
            await asking.text("one/hang", "two/answer", seconds=0.05)
        assert asking.faulty.asked == {"hang": 1}
        assert asking.told == {"one late": 1}

    with_upstream(test)


def test_a_silent_stream_ends_with_an_error() -> None:
    """What came before was handed on."""

    async def test(asking: Asking) -> None:
        reply, parts = await asking.ask("one/stall", stream=True), list[str]()

        async def read() -> None:
            async for pieces in reply.pieces():
                parts.extend((each.delta or {}).get("content", "") for piece in pieces for each in piece.choices)

        with pytest.raises(UpstreamBroken, match="silent"):
            await read()
        reply.close()
        assert "".join(parts) == "Grüße"

    with_upstream(test, silent_seconds=0.05)


def test_a_caller_who_leaves_takes_the_upstream_with_him() -> None:
    """While it has not begun, and in the middle of its stream."""

    async def test(asking: Asking) -> None:
        waiting = asyncio.create_task(asking.text("one/hang"))
        reading = [asyncio.create_task(asking.text("two/endless", stream=True)) for _ in range(20)]
        while asking.faulty.streams < 20 or not asking.faulty.asked["hang"]:
            await asyncio.sleep(0)
        for task in (waiting, *reading):
            task.cancel()
        await asyncio.gather(waiting, *reading, return_exceptions=True)
        while asking.faulty.streams or asking.faulty.left < 21:
            await asyncio.sleep(0)

    with_upstream(test)


def test_connections_are_kept_and_one_that_died_meanwhile_is_not_held_against_the_upstream() -> None:
    """A kept connection may be closed by the other side at any moment."""

    async def test(asking: Asking) -> None:
        for _ in range(3):
            await asking.text("one/answer")
            await asking.text("one/answer", stream=True)
        assert asking.faulty.connections == 1
        asking.faulty.hang_up()
        assert (await asking.text("one/answer"))[0] == TEXT
        assert asking.told == {"one answered": 7}

    with_upstream(test, retries=0)


def test_a_connection_on_which_more_came_than_was_asked_is_not_used_again() -> None:
    """What came behind would be taken for the next answer, of somebody else."""

    async def test(asking: Asking) -> None:
        body = b'{"choices":[{"message":{"content":"first"}}]}'
        answer = b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        asking.faulty.says["twice"] = (answer + answer.replace(b"first", b"other"), b"")
        asking.faulty.says["and a half"] = (answer + b"HTTP/1.1 2", b"")
        for at, fault in enumerate(("twice", "and a half", "twice"), 1):
            assert await asking.text(f"one/{fault}") == ("first", None)
            assert asking.faulty.connections == at
        assert (await asking.text("one/answer"))[0] == TEXT

    with_upstream(test, retries=0)


def test_a_host_that_can_be_no_name_cannot_be_reached() -> None:
    """The next target is asked, as when nobody listens."""

    async def test(asking: Asking) -> None:
        two = Upstream(asking.faulty.url)
        asking.upstreams.declare({"one": Upstream(f"http://{'x' * 70}..local/v1"), "two": two})
        assert (await asking.text("one/answer", "two/answer"))[0] == TEXT
        with pytest.raises(UpstreamUnavailable, match="cannot be reached"):
            await asking.text("one/answer")

    with_upstream(test, retries=0)


def test_what_is_late_is_told_once() -> None:
    """Whoever waits for an answer says when he stops."""

    async def test(asking: Asking) -> None:
        reply = await asking.ask("one/hang-up", "two/stall", stream=True)
        reply.late()
        reply.late()
        reply.close()
        assert asking.told == {"one busy": 1, "two late": 1}
        whole = await asking.ask("two/answer")
        await whole.whole()
        whole.late()
        whole.close()
        assert asking.told == {"one busy": 1, "two late": 1, "two answered": 1}

    with_upstream(test, retries=0)
