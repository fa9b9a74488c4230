"""A thousand callers who hang up, each at his moment and in his manner: the upstream stops, and all is counted once."""

import asyncio
import json
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.guards import GuardSet
from modelyard.journal import Generated, PredictionRecord
from modelyard.routing import ServingPolicy
from modelyard.serving.chat.budgets import FOLDER
from modelyard.serving.chat.ledger import Ledger
from modelyard.testing import FaultyUpstream

from .test_chat import Gateway, live, route
from .test_guarded_streams import Coming, Plane, Saying, Sent, application, exchange


class Endless(Coming):
    """An answer that never ends, and notes when it is hung up on."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__(())
        self._happened = happened

    async def read(self) -> bytes:
        """Nothing comes."""
        await asyncio.get_running_loop().create_future()
        return b""

    def close(self, *, ending: bool = False) -> None:
        """Note it."""
        del ending
        self._happened.append("hung up")


class Endlessly(Saying):
    """Upstreams that answer so."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__(())
        self._happened = happened

    def answer(self) -> Coming:
        """See above."""
        return Endless(self._happened)


class Noting(Plane):
    """A plane that notes when something is put on record."""

    def __init__(self, happened: list[str]) -> None:
        super().__init__()
        self._happened = happened

    def generated(self, *told: Any) -> None:
        """Note it."""
        super().generated(*told)
        self._happened.append(f"{self.records[-1][0].prediction} on record")


def test_of_many_who_leave_together_every_upstream_is_hung_up_on_before_one_is_put_on_record() -> None:
    """Records take their time; meanwhile nobody is written for. One that is told to end twice is on record, too."""
    happened: list[str] = []

    async def run() -> None:
        loaded, upstreams, plane = application(None), Endlessly(happened), Noting(happened)
        tasks = [asyncio.create_task(exchange(loaded, upstreams, plane, Sent()).run()) for _ in range(3)]
        for _ in range(10):
            await asyncio.sleep(0)
        for each in tasks:
            each.cancel()
        await asyncio.sleep(0)
        tasks[0].cancel()  # the server ends while the first one is at it
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in ended] == [asyncio.CancelledError] * 3

    asyncio.run(run())
    assert happened == ["hung up"] * 3 + ["left on record"] * 3


CALLERS, HASTY, CUT = 1_000, 200, 50
"""Those who are all there at one moment, those who may leave before they were heard, and in the middle of a request."""

AT_ONCE = 1.0
"""Seconds until an upstream must have been hung up on."""

WAYS = ("plain", "guarded", "silent")
"""Deployments: a stream, one behind guards, and one whose upstream has not begun."""

MANNERS = ("closes", "resets", "says no more")
HASTE = 1.5
"""The longest that a hasty caller stays, once he has sent what he sends."""


@dataclass
class Caller:
    """One who asks for a stream, and leaves."""

    number: int
    way: str
    manner: str
    stays: float
    long: bool = False
    hasty: bool = False
    cut: bool = False
    heard: bytes = b""
    left: float = 0.0

    @property
    def request(self) -> bytes:
        """What he sends: a long body takes another way through the server, and some leave in the middle of it."""
        told: dict[str, Any] = {"model": self.way, "stream": True, "user": str(self.number)}
        told["messages"] = [{"role": "user", "content": f"caller {self.number}"}]
        if self.long:
            told["metadata"] = {"note": "x" * 70_000}
        body = json.dumps(told).encode()
        whole = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        return whole[: len(whole) - 10] if self.cut else whole

    async def call(self, port: int, all_there: asyncio.Event) -> None:
        """Ask, listen for a while, and hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(self.request)
        await writer.drain()
        listening = asyncio.create_task(self._listen(reader))
        if not self.hasty:
            await all_there.wait()
        await asyncio.wait((listening,), timeout=self.stays)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await self._leave(reader, writer)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(65536):
            self.heard += piece

    async def _leave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.left = asyncio.get_running_loop().time()
        if self.manner == "resets":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif self.manner == "closes":
            writer.close()
        else:
            writer.write_eof()
            while await reader.read(65536):
                pass
            writer.close()


def callers(rng: random.Random, seconds: float) -> list[Caller]:
    """Callers of all sorts, in no order; one body in ten is long. The patient stay `seconds` at most."""
    those = [
        Caller(
            number,
            rng.choice(WAYS),
            rng.choice(MANNERS),
            rng.uniform(0, seconds if number < CALLERS else HASTE),
            long=rng.random() < 0.1,
            hasty=number >= CALLERS,
            cut=number >= CALLERS + HASTY,
        )
        for number in range(CALLERS + HASTY + CUT)
    ]
    rng.shuffle(those)
    return those


def descriptors(made: Gateway) -> int:
    """How many files and sockets the server has open."""
    assert made.server.process is not None
    return sum(1 for _ in Path(f"/proc/{made.server.process.pid}/fd").iterdir())


async def all_leave(upstream: FaultyUpstream, made: Gateway, those: list[Caller]) -> None:
    """Have them call; once the upstream writes for all who have patience they leave, until it is alone."""
    patient, all_there = {each.number for each in those if not each.hasty}, asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for each in those:
            group.create_task(each.call(made.server.port, all_there))
        while not patient <= {number_of(body) for body in upstream.bodies}:
            await asyncio.sleep(0.05)
        all_there.set()
    async with asyncio.timeout(20):
        while upstream.callers:
            await asyncio.sleep(0.01)


def counted(made: Gateway) -> float:
    """Chats that the metrics know of, however they ended."""
    return sum(made.server.metric("model_requests_total", model_name="assistant", code=code) for code in ("200", "499"))


def recorded(made: Gateway) -> list[tuple[PredictionRecord, Generated]]:
    """What is on record of them all."""
    return [each for way in WAYS for each in made.records(way)]


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seconds", [1.5, 0.0])
def test_of_a_thousand_callers_who_leave_none_is_written_for_any_longer(tmp_path: Path, seconds: float) -> None:
    """Every upstream is hung up on within a second of its caller; one record each, the money settled, no file left."""
    those = callers(random.Random(11), seconds)

    async def run() -> None:
        upstream = FaultyUpstream(every_seconds=0.25)
        await upstream.start()
        made = Gateway(tmp_path, upstream)
        guards = GuardSet.model_validate({"guards": [{"guard": "personal_data"}]})
        bundles = {"plain": made.bundle("endless"), "silent": made.bundle("hang")}
        bundles["guarded"] = made.bundle("endless", guards=guards)
        policy = ServingPolicy(budget_micros=10**12, budget_period="ever")
        made.publish(*(route(way, live(digest)) for way, digest in bundles.items()), policy=policy)
        await asyncio.to_thread(made.server.start)
        try:
            await all_leave(upstream, made, [Caller(-1 - at, way, "closes", 0.5) for at, way in enumerate(WAYS)])
            open_before, before = descriptors(made), len(upstream.bodies)
            await all_leave(upstream, made, those)
            check_upstream(upstream, those, before)
            await asyncio.to_thread(made.server.until, lambda: descriptors(made) <= open_before)
            await asyncio.to_thread(made.server.until, lambda: counted(made) == len(recorded(made)))
        finally:
            assert await asyncio.to_thread(made.server.stop) == 0
            upstream.close()
        check_record(upstream, made, tmp_path)

    asyncio.run(run())


def check_upstream(upstream: FaultyUpstream, those: list[Caller], before: int) -> None:
    """Nobody is asked for twice, none goes on, and each ended within the moment."""
    asked = Counter(number_of(body) for body in upstream.bodies[before:])
    assert set(asked.values()) == {1}
    assert {each.number for each in those if not each.hasty or each.heard} <= set(asked)
    assert not {each.number for each in those if each.cut} & set(asked)
    ended = {number_of(body): at for body, at in upstream.abandoned[before:]}
    assert set(ended) == set(asked)
    assert max(ended[each.number] - each.left for each in those if not each.hasty) < AT_ONCE
    assert upstream.streams == 0


def check_record(upstream: FaultyUpstream, made: Gateway, folder: Path) -> None:
    """One record each, of all who were written for among others; and the ledger is their sum."""
    records = recorded(made)
    those = Counter(record.entity for record, _ in records)
    assert set(those.values()) == {1}
    assert {str(number_of(body)) for body in upstream.bodies} <= set(those)
    assert {(record.prediction, record.error) for record, _ in records} == {("left", None)}
    ledger = Ledger(folder / "journal" / FOLDER)
    for way in WAYS:
        costs = sum(cost.cost_micros or 0 for record, cost in records if record.deployment == way)
        assert ledger.state(f"{way}/ever") == (costs, 0)
        assert (costs > 0) == (way != "silent")
    ledger.close()


def number_of(body: dict[str, Any]) -> int:
    """Who asked."""
    return int(body["messages"][-1]["content"].split()[1])
