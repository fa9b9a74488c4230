"""Streams on NATS JetStream.

A stream of ours is one subject. Where no JetStream stream has that subject yet, `create` makes one for it alone, kept
in files; one that an operator made for several subjects serves as well. A group is a durable pull consumer of that
subject. The client is asynchronous, and has a thread of its own.
"""

import asyncio
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from modelyard.core import Micros, from_micros, to_micros

from ..address import StreamAddress
from ..errors import StreamDriverMissing, StreamNotFound, StreamUnavailable
from ..records import ConsumerOptions, Delivery, Lag, Message

try:
    import nats
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.errors import Error as NatsError
    from nats.js import JetStreamContext
    from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, DeliverPolicy, StorageType, StreamConfig
    from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
except ImportError as missing:
    raise StreamDriverMissing(
        f"Streams on NATS need a library that is not installed: {missing}.", remedy="pip install 'modelyard[nats]'"
    ) from missing

_KEY = "Modelyard-Key"
_TIMEOUT_S = 10.0
_CONNECT_S = 5.0
_TOGETHER = 500
_AT_ONCE_S = 0.005
"""How long what the server has at hand may take; when that is nothing, one waits for the first message alone."""

_T = TypeVar("_T")


class NatsBroker:
    """See `contract.Broker`. What was published is on as many servers as the stream's replicas say."""

    def __init__(self, address: StreamAddress) -> None:
        self._address = address
        self._loop: _Loop | None = None
        self._client: Client | None = None
        self._streams: dict[str, str] = {}
        self._vouchers: _Vouchers | None = None

    def limit(self) -> int:
        return self.run(self._limit)

    def exists(self, name: str) -> bool:
        return self.run(lambda: self._stream_of(name)) is not None

    def names(self) -> list[str]:
        return self.run(self._subjects)

    def create(self, name: str) -> None:
        self.run(lambda: self._create(name))

    def send(self, name: str, messages: Sequence[Message]) -> None:
        for at in range(0, len(messages), _TOGETHER):
            part = messages[at : at + _TOGETHER]
            self.run(lambda part=part: self._send(name, part))  # type: ignore[misc]

    def feed(self, name: str, group: str, options: ConsumerOptions) -> "NatsFeed":
        return NatsFeed(self, self.run(lambda: self._subscribe(name, group, options)))

    def lag(self, name: str, group: str) -> Lag:
        return self.run(lambda: self._lag(name, group))

    def rewind(self, name: str, group: str, since: Micros | None) -> None:
        self.run(lambda: self._rewind(name, group, since))

    def close(self) -> None:
        if self._loop is not None:
            client = self._client
            if client is not None:
                with suppress(NatsError, OSError, TimeoutError):
                    self._loop.run(client.close(), _CONNECT_S)
            self._loop.stop()
        self._loop = self._client = self._vouchers = None

    def run(self, work: Callable[[], Coroutine[Any, Any, _T]], timeout_s: float = _TIMEOUT_S) -> _T:
        """Do something on the client's thread, connected; StreamUnavailable when that fails or takes too long."""
        if self._loop is None:
            self._loop = _Loop()
        try:
            if self._client is None:
                self._client = self._loop.run(self._connect(), _CONNECT_S)
            return self._loop.run(work(), timeout_s)
        except (NatsError, OSError, TimeoutError) as error:
            raise self._unavailable(error) from error

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream on the connection that is there."""
        assert self._client is not None  # noqa: S101 - `run` has connected
        return self._client.jetstream(timeout=_TIMEOUT_S)

    async def flushed(self) -> None:
        """Wait until the server has read all that was written."""
        assert self._client is not None  # noqa: S101 - as above
        await self._client.flush(timeout=round(_TIMEOUT_S))

    async def _connect(self) -> Client:
        scheme = "tls" if self._address.secure else "nats"
        name, password = self._address.username, self._address.password
        login = {"token": name} if name and not password else {"user": name, "password": password} if name else {}
        options: dict[str, Any] = {"allow_reconnect": True, "max_reconnect_attempts": -1, "reconnect_time_wait": 0.2}
        servers = [f"{scheme}://{each}" for each in self._address.hosts.split(",")]
        return await nats.connect(servers, connect_timeout=2, error_cb=_ignored, **login, **options)

    async def _limit(self) -> int:
        assert self._client is not None  # noqa: S101 - as above
        return int(self._client.max_payload)

    async def _stream_of(self, name: str) -> str | None:
        """The JetStream stream that keeps a subject."""
        if name not in self._streams:
            with suppress(NotFoundError):
                self._streams[name] = await self.jetstream.find_stream_name_by_subject(name)
        return self._streams.get(name)

    async def _known(self, name: str) -> str:
        stream = await self._stream_of(name)
        if stream is None:
            raise StreamNotFound(
                f"NATS at {self._address.hosts} keeps no subject '{name}'.", remedy="Add create=true to the address."
            )
        return stream

    async def _subjects(self) -> list[str]:
        found = await self.jetstream.streams_info()
        return sorted(subject for each in found for subject in each.config.subjects or ())

    async def _create(self, name: str) -> None:
        config = StreamConfig(name=name.replace(".", "_"), subjects=[name], storage=StorageType.FILE)
        if await self._stream_of(name) is None:
            await self.jetstream.add_stream(config)

    async def _send(self, name: str, messages: Sequence[Message]) -> None:
        """Write all of them, then wait until each was vouched for.

        The client's own way waits behind each message, which costs a system call and four times the processor.
        """
        assert self._client is not None  # noqa: S101 - as above
        if self._vouchers is None:
            self._vouchers = await _Vouchers.of(self._client)
        vouched = self._vouchers.expect(len(messages))
        for place, each in enumerate(messages):
            await self._client.publish(name, each.value, reply=vouched.inbox(place), headers=_headers(each))
        await vouched.all()

    async def _subscribe(self, name: str, group: str, options: ConsumerOptions) -> JetStreamContext.PullSubscription:
        stream = await self._known(name)
        durable = _durable(name, group)
        wanted = _consumer(name, durable, options)
        known = await self._group(stream, durable)
        if known is None:
            await self.jetstream.add_consumer(stream, wanted)
        elif known.config.ack_wait != wanted.ack_wait:
            known.config.ack_wait = wanted.ack_wait
            await self.jetstream.add_consumer(stream, known.config)
        return await self.jetstream.pull_subscribe_bind(durable, stream)

    async def _group(self, stream: str, durable: str) -> ConsumerInfo | None:
        try:
            found: ConsumerInfo = await self.jetstream.consumer_info(stream, durable)
        except NotFoundError:
            return None
        return found

    async def _lag(self, name: str, group: str) -> Lag:
        stream = await self._known(name)
        known = await self._group(stream, _durable(name, group))
        if known is not None:
            return Lag(known.num_pending or 0, known.num_ack_pending or 0)
        info = await self.jetstream.stream_info(stream, subjects_filter=name)
        return Lag((info.state.subjects or {}).get(name, 0), 0)

    async def _rewind(self, name: str, group: str, since: Micros | None) -> None:
        stream, durable = await self._known(name), _durable(name, group)
        with suppress(NotFoundError):
            await self.jetstream.delete_consumer(stream, durable)
        config = _consumer(name, durable, ConsumerOptions())
        if since is not None:
            config.deliver_policy = DeliverPolicy.BY_START_TIME
            config.opt_start_time = from_micros(since)
        await self.jetstream.add_consumer(stream, config)

    def _unavailable(self, error: Exception) -> StreamUnavailable:
        return StreamUnavailable(
            f"NATS at {self._address.hosts} cannot be used: {str(error)[:200] or type(error).__name__}.",
            remedy="See that it runs with JetStream (nats-server -js), and that address and password are right.",
        )


class _Vouched:
    """What the server says of the messages that were sent together."""

    def __init__(self, prefix: str, count: int) -> None:
        self._prefix = prefix
        self._open = set(range(count))
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def inbox(self, place: int) -> str:
        """Where the server answers for a message."""
        return f"{self._prefix}.{place}"

    def answer(self, place: int, message: Msg) -> None:
        """Take an answer; one that says no ends the waiting."""
        if self._done.done():
            return
        if (error := _refusal(message)) is not None:
            self._done.set_exception(error)
            return
        self._open.discard(place)
        if not self._open:
            self._done.set_result(None)

    async def all(self) -> None:
        """Wait for all of them. NatsError when the server refuses one."""
        if self._open:
            await self._done


class _Vouchers:
    """One subscription for the answers to all messages of a connection; who sends next waits for the last no more."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._number = 0
        self._current: _Vouched | None = None

    @classmethod
    async def of(cls, client: Client) -> "_Vouchers":
        """Subscribe."""
        made = cls(client.new_inbox())
        await client.subscribe(f"{made._prefix}.*.*", cb=made._hear)
        return made

    def expect(self, count: int) -> _Vouched:
        """Before so many messages are sent together."""
        self._number += 1
        self._current = _Vouched(f"{self._prefix}.{self._number}", count)
        return self._current

    async def _hear(self, message: Msg) -> None:
        _, number, place = message.subject.rsplit(".", 2)
        if self._current is not None and int(number) == self._number:
            self._current.answer(int(place), message)


def _refusal(message: Msg) -> NatsError | None:
    """Why a message is not in the stream; None when it is."""
    if message.headers is not None and message.headers.get("Status") == "503":
        return NoStreamResponseError()
    told = json.loads(message.data)
    return None if "error" not in told else APIError(**told["error"])


class NatsFeed:
    """See `contract.Feed`."""

    def __init__(self, broker: NatsBroker, subscription: JetStreamContext.PullSubscription) -> None:
        self._broker, self._subscription = broker, subscription
        self._early: list[Msg] = []

    def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        if limit <= 0:
            return []
        return self._broker.run(lambda: self._fetch(limit, wait_s), wait_s + _TIMEOUT_S)

    def confirm(self, deliveries: Sequence[Delivery]) -> None:
        self._broker.run(lambda: self._answer(deliveries, again=False))

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._broker.run(lambda: self._answer(deliveries, again=True))

    def close(self) -> None:
        with suppress(StreamUnavailable):
            self._broker.run(self._leave, _CONNECT_S)

    async def _fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        """The client may give more than it was asked for: what came late for an earlier question."""
        for count, seconds in ((limit, _AT_ONCE_S), (1, wait_s)):
            if seconds > 0 and not self._early:
                with suppress(TimeoutError):
                    self._early += await self._subscription.fetch(count, timeout=seconds)
        found, self._early = self._early[:limit], self._early[limit:]
        return [_delivery(each) for each in found]

    async def _answer(self, deliveries: Sequence[Delivery], *, again: bool) -> None:
        for each in deliveries:
            message: Msg = each.handle
            if not message.is_acked:
                await (message.nak() if again else message.ack())
        await self._broker.flushed()

    async def _leave(self) -> None:
        with suppress(NatsError):
            await self._subscription.unsubscribe()


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nats", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        """What a coroutine returns; TimeoutError when it takes too long, and then it is cancelled."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout_s), self._loop).result()

    def stop(self) -> None:
        """Cancel what is left, end the thread, and close the loop."""
        asyncio.run_coroutine_threadsafe(_cancelled(), self._loop).result(_CONNECT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CONNECT_S)
        if not self._loop.is_running():
            self._loop.close()


async def _cancelled() -> None:
    """End every other task of this loop."""
    others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _ignored(_: Exception) -> None:
    """What the client says of its connection shows in the call that needs it; it must not print."""


def _durable(name: str, group: str) -> str:
    """What JetStream knows a group of a subject by: it takes no dots."""
    return quote(f"{name}--{group}", safe="").replace(".", "%2E").replace("%", "=")


def _consumer(name: str, durable: str, options: ConsumerOptions) -> ConsumerConfig:
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=name,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=options.redeliver_s,
        deliver_policy=DeliverPolicy.ALL,
        max_ack_pending=-1,
        max_deliver=-1,
    )


def _headers(message: Message) -> dict[str, str]:
    """Headers of NATS take no line breaks and little beyond ASCII; keys are headers too."""
    told = {name: quote(text, safe=" /:;,.=+-_()[]{}'\"@!?*&#<>|") for name, text in message.headers.items()}
    return told | ({_KEY: b64encode(message.key).decode()} if message.key else {})


def _delivery(message: Msg) -> Delivery:
    told = dict(message.headers or {})
    key = b64decode(told.pop(_KEY, ""))
    headers = {name: unquote(text) for name, text in told.items()}
    known = message.metadata
    return Delivery(
        Message(message.data, key, headers),
        str(known.sequence.stream),
        int(known.num_delivered or 1),
        Micros(to_micros(known.timestamp) // 1000 * 1000),
        message,
    )
