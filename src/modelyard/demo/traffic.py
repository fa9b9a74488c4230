"""The clients of the demonstration: each flight is one HTTP request, each batch of truths another."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec

from modelyard.core import Micros, Scalar

from .errors import TrafficFailed

TRUTHS_A_REQUEST = 1000


class Request(msgspec.Struct, frozen=True):
    """One flight: what the client knows at prediction time, and the truth that arrives later, if ever.

    `entity` stands for the aircraft where none is known yet: the client then names the flight.
    """

    at_us: Micros
    fields: dict[str, Scalar]
    label: int | None
    known_us: Micros
    entity: str | None = None


class Truth(msgspec.Struct, frozen=True):
    """A label for one prediction, ready to be posted."""

    prediction_id: str
    label: int
    at: str
    event_at: str


class _Answer(msgspec.Struct):
    prediction_id: str
    model_version: str


@dataclass
class Tally:
    """What the clients saw."""

    sent: int = 0
    failed: int = 0
    truths_posted: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Clients:
    """A few keep-alive connections to the server under test. Use inside one event loop."""

    def __init__(self, address: str, deployment: str, *, connections: int = 16) -> None:
        self._base = f"{address}/deployments/{deployment}"
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._answers = msgspec.json.Decoder(_Answer)
        self.tally = Tally()

    async def __aenter__(self) -> "Clients":
        connector = aiohttp.TCPConnector(limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def predict_all(self, requests: Sequence[Request]) -> list[str | None]:
        """Send requests side by side and wait for all answers; prediction ids in order, None for a failure."""
        answers: list[str | None] = [None] * len(requests)
        waiting = iter(enumerate(requests))

        async def one_client() -> None:
            for index, request in waiting:
                answers[index] = await self._predict(request)

        await asyncio.gather(*(one_client() for _ in range(min(self._connections, len(requests)))))
        return answers

    async def post_truths(self, truths: Iterable[Truth]) -> None:
        """Post ground truth in batches; raises TrafficFailed when the server takes fewer than were sent."""
        batch = list(truths)
        for start in range(0, len(batch), TRUTHS_A_REQUEST):
            part = batch[start : start + TRUTHS_A_REQUEST]
            status, body = await self._post("/feedback", msgspec.json.encode(part), {})
            if status != 200 or msgspec.json.decode(body)["accepted"] != len(part):
                raise TrafficFailed(f"The server refused {len(part)} truths: {status} {body.decode()[:300]}.")
            self.tally.truths_posted += len(part)

    async def _predict(self, request: Request) -> str | None:
        body = msgspec.json.encode({"inputs": [request.fields]})
        began = time.perf_counter()
        try:
            status, answer = await self._post("/predict", body, _headers(request))
        except (aiohttp.ClientError, TimeoutError) as error:
            status, answer = 0, repr(error).encode()
        self.tally.sent += 1
        self.tally.latencies_ms.append((time.perf_counter() - began) * 1000)
        if status != 200:
            self.tally.failed += 1
            self.tally.failures.append(f"{status} {answer.decode()[:300]}")
            return None
        return self._answers.decode(answer).prediction_id

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("Clients are used as a context manager")
        headers["Content-Type"] = "application/json"
        async with self._session.post(self._base + path, data=body, headers=headers) as response:
            return response.status, await response.read()


def _headers(request: Request) -> dict[str, str]:
    """When it is asked, and for whom where no field says so: which arm answers is then no matter of chance."""
    entity = {} if request.entity is None else {"X-Entity-Id": request.entity}
    return {"X-Modelyard-At": str(request.at_us), **entity}
