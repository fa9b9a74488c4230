"""Streams on Kafka, by librdkafka.

A stream is a topic, a group is Kafka's. Messages are acknowledged one by one and counted as they are delivered, which
Kafka does not do by itself: see `offsets`.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from modelyard.core import Micros

from ..address import StreamAddress
from ..errors import GroupInUse, MessageTooLarge, StreamDriverMissing, StreamNotFound, StreamUnavailable
from ..records import ConsumerOptions, Delivery, Lag, Message
from .offsets import Progress, counts

try:
    from confluent_kafka import (
        OFFSET_INVALID,
        Consumer,
        KafkaError,
        KafkaException,
        Producer,
        TopicPartition,
    )
    from confluent_kafka import Message as KafkaMessage
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
except ImportError as missing:
    raise StreamDriverMissing(
        f"Streams on Kafka need a library that is not installed: {missing}.", remedy="pip install 'modelyard[kafka]'"
    ) from missing

_LIMIT = 1_000_000
_OVERHEAD = 2048
"""Bytes of a record beside key, value and headers, with room to spare."""

_TIMEOUT_S = 10.0
_SHORTEST_SESSION_S, _LONGEST_SESSION_S = 6.0, 60.0
"""After so many seconds without a sign a consumer is dead. Brokers take no shorter ones, unless they are told to."""

_SILENT = logging.getLogger("modelyard.streams.kafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

_MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._STATE,
    KafkaError._NO_OFFSET,
}
"""Why a commit fails when partitions have gone to another consumer."""


class KafkaBroker:
    """See `contract.Broker`. What was published is on all replicas that are in sync."""

    def __init__(self, address: StreamAddress) -> None:
        self._address = address
        self._limit = int(address.options.get("max_bytes", _LIMIT))
        self._producer: Producer | None = None

    def limit(self) -> int:
        return self._limit - _OVERHEAD

    def exists(self, name: str) -> bool:
        return name in self._topics()

    def names(self) -> list[str]:
        return sorted(each for each in self._topics() if not each.startswith("__"))

    def create(self, name: str) -> None:
        partitions = int(self._address.options.get("partitions", -1))
        with self.told(name):
            admin = AdminClient(self._settings(), logger=_SILENT)
            made = admin.create_topics([NewTopic(name, partitions, -1)], request_timeout=_TIMEOUT_S)[name]
            try:
                made.result(_TIMEOUT_S)
            except KafkaException as error:
                code = error.args[0].code()
                if code == KafkaError._UNSUPPORTED_FEATURE:
                    self._ready().list_topics(name, timeout=_TIMEOUT_S)  # a broker may make what it is asked about
                elif code != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        end = time.monotonic() + _TIMEOUT_S
        while not self.exists(name) and time.monotonic() < end:
            time.sleep(0.05)

    def send(self, name: str, messages: Sequence[Message]) -> None:
        failed: list[KafkaError] = []

        def done(error: KafkaError | None, _: KafkaMessage) -> None:
            if error is not None:
                failed.append(error)

        with self.told(name):
            producer = self._ready()
            for each in messages:
                _produce(producer, name, each, done)
            left = producer.flush(_TIMEOUT_S + 2)
        if left:
            producer.purge()
            producer.flush(1.0)
            failed = failed or [KafkaError(KafkaError._TIMED_OUT)]
        if failed:
            if failed[0].fatal() or left:
                self._producer = None
            raise self.raised(failed[0], name)

    def feed(self, name: str, group: str, options: ConsumerOptions) -> "KafkaFeed":
        default = max(_SHORTEST_SESSION_S, min(options.redeliver_s, _LONGEST_SESSION_S))
        session_ms = round(float(self._address.options.get("session_s", default)) * 1000)
        told = {"session.timeout.ms": session_ms, "heartbeat.interval.ms": max(1, session_ms // 3)}
        with self.told(name):
            consumer = self.consumer(group, told | {"fetch.wait.max.ms": 100})
        return KafkaFeed(self, consumer, name, options)

    def lag(self, name: str, group: str) -> Lag:
        with self._asking(name, group) as (consumer, partitions):
            waiting = out = 0
            for each in consumer.committed(partitions, timeout=_TIMEOUT_S):
                low, high = consumer.get_watermark_offsets(each, timeout=_TIMEOUT_S)
                known = each.offset >= 0
                delivered, done = counts(each.offset, each.metadata or "") if known else (0, 0)
                waiting += max(0, high - max(low, each.offset if known else low) - delivered - done)
                out += delivered
        return Lag(waiting, out)

    def rewind(self, name: str, group: str, since: Micros | None) -> None:
        with self._asking(name, group) as (consumer, partitions):
            ends = {each.partition: consumer.get_watermark_offsets(each, timeout=_TIMEOUT_S) for each in partitions}
            begin = {partition: low for partition, (low, _) in ends.items()}
            if since is not None:
                asked = [TopicPartition(name, each.partition, since // 1000) for each in partitions]
                found = consumer.offsets_for_times(asked, timeout=_TIMEOUT_S)
                begin = {each.partition: each.offset if each.offset >= 0 else ends[each.partition][1] for each in found}
            offsets = [TopicPartition(name, partition, offset, metadata="") for partition, offset in begin.items()]
            try:
                consumer.commit(offsets=offsets, asynchronous=False)
            except KafkaException as error:
                if error.args[0].code() not in _MOVED:
                    raise
                raise GroupInUse(
                    f"Somebody consumes '{name}' in group '{group}'.", remedy="Stop them, then try again."
                ) from error

    def close(self) -> None:
        self._producer = None

    def consumer(self, group: str, more: dict[str, Any]) -> Consumer:
        """A consumer of a group that commits when it is told to."""
        told = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        return Consumer(self._settings() | told | more, logger=_SILENT)

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Say what goes wrong in the block as errors of this room."""
        try:
            yield
        except KafkaException as error:
            raise self.raised(error.args[0], name) from error

    def raised(self, error: KafkaError, name: str) -> Exception:
        """What an error of Kafka's means."""
        if error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE):
            return MessageTooLarge(
                f"Kafka's topic '{name}' does not take a message this large.",
                remedy="Raise max.message.bytes of the topic, or lower max_bytes of the address and send less in one.",
            )
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
            return StreamNotFound(
                f"Kafka has no topic '{name}'.", remedy="Create it, or add create=true to the address."
            )
        return StreamUnavailable(
            f"Kafka at {self._address.hosts} cannot be used: {error.str()[:200]}.",
            remedy="See that the brokers run, and that the address, its password and the rights of its user are right.",
        )

    @contextmanager
    def _asking(self, name: str, group: str) -> Iterator[tuple[Consumer, list[TopicPartition]]]:
        """A consumer of a group that does not join it, and the partitions of a topic."""
        with self.told(name):
            consumer = self.consumer(group, {})
            try:
                known = consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name]
                if known.error is not None:
                    raise KafkaException(known.error)
                yield consumer, [TopicPartition(name, each) for each in sorted(known.partitions)]
            finally:
                consumer.close()

    def _topics(self) -> set[str]:
        with self.told(""):
            return set(self._ready().list_topics(timeout=_TIMEOUT_S).topics)

    def _ready(self) -> Producer:
        if self._producer is None:
            told = {
                "enable.idempotence": True,
                "linger.ms": 2,
                "delivery.timeout.ms": round(_TIMEOUT_S * 1000),
                "message.max.bytes": self._limit,
                "partitioner": "murmur2_random",  # as Java's clients divide keys
            }
            self._producer = Producer(self._settings() | told, logger=_SILENT)
        return self._producer

    def _settings(self) -> dict[str, Any]:
        address = self._address
        told: dict[str, Any] = {
            "bootstrap.servers": address.hosts,
            "client.id": "modelyard",
            "reconnect.backoff.max.ms": 1000,
            "security.protocol": ("SASL_" if address.username else "") + ("SSL" if address.secure else "PLAINTEXT"),
        }
        if address.username:
            told["sasl.mechanism"] = address.options.get("mechanism", "PLAIN")
            told["sasl.username"], told["sasl.password"] = address.username, address.password or ""
        return told


@dataclass
class _Out:
    """A message that was delivered, or is to be again: at once, or from some time on."""

    partition: int
    offset: int
    message: Message
    published_us: Micros
    due: float


class KafkaFeed:
    """See `contract.Feed`.

    Messages that are to be delivered again are kept in memory, and fetched anew by whoever gets their partition next.
    Partitions move between consumers only inside `fetch`, as librdkafka has it.
    """

    def __init__(self, broker: KafkaBroker, consumer: Consumer, name: str, options: ConsumerOptions) -> None:
        self._broker, self._consumer, self._name = broker, consumer, name
        self._redeliver_s = options.redeliver_s
        self._partitions: dict[int, Progress] = {}
        self._out: dict[tuple[int, int], _Out] = {}
        self._early: list[KafkaMessage] = []
        consumer.subscribe([name], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def fetch(self, limit: int, wait_s: float) -> list[Delivery]:
        with self._broker.told(self._name):
            if limit <= 0:
                self._live()
                return []
            found = self._due(limit)
            found += self._fresh(limit - len(found), 0.0 if found else wait_s)
            deliveries = [self._delivery(each) for each in found]
            try:
                kept = self._commit({each.partition for each in found})
            except KafkaException:
                self._at_once(found)
                raise
        return deliveries if kept else []

    def confirm(self, deliveries: Sequence[Delivery]) -> None:
        mine = [key for key in map(_place, deliveries) if key in self._out]
        for partition, offset in mine:
            del self._out[partition, offset]
            self._partitions[partition].acknowledged(offset)
        with self._broker.told(self._name):
            self._commit({partition for partition, _ in mine})

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        self._at_once([self._out[key] for key in map(_place, deliveries) if key in self._out])

    def close(self) -> None:
        with suppress(KafkaException, RuntimeError):  # the latter when it is closed already
            self._consumer.close()

    def _live(self) -> None:
        """Poll, so that the group goes on counting us, and take no message."""
        assigned = self._consumer.assignment()
        self._consumer.pause(assigned)
        message = self._consumer.poll(0)
        if message is not None and message.error() is None:
            self._early.append(message)
        self._consumer.resume([each for each in self._consumer.assignment() if each in assigned])

    def _due(self, limit: int) -> list[_Out]:
        now = time.monotonic()
        return [each for each in self._out.values() if each.due <= now][:limit]

    def _fresh(self, limit: int, wait_s: float) -> list[_Out]:
        """Messages that came from the broker, and are not done."""
        if limit <= 0:
            self._live()
            return []
        came, self._early = self._early[:limit], self._early[limit:]
        if not came and (first := self._consumer.poll(wait_s)) is not None:
            came = [first]
        if came and len(came) < limit:
            came += self._consumer.consume(limit - len(came), 0)
        taken = [self._taken(each) for each in came if _whole(each)]
        return [each for each in taken if each is not None]

    def _taken(self, message: KafkaMessage) -> _Out | None:
        partition, offset = message.partition() or 0, message.offset() or 0
        progress = self._partitions.get(partition)
        if progress is None or (partition, offset) in self._out or not progress.seen(offset):
            return None
        headers = {name: (text or b"").decode("utf-8", "replace") for name, text in _headers(message)}
        _, at = message.timestamp()
        known = Message(_bytes(message.value()), _bytes(message.key()), headers)
        self._out[partition, offset] = _Out(partition, offset, known, Micros(at * 1000), 0.0)
        return self._out[partition, offset]

    def _delivery(self, out: _Out) -> Delivery:
        out.due = time.monotonic() + self._redeliver_s
        attempt = self._partitions[out.partition].delivered(out.offset)
        return Delivery(out.message, f"{out.partition}:{out.offset}", attempt, out.published_us)

    def _at_once(self, outs: list[_Out]) -> None:
        for each in outs:
            each.due = 0.0

    def _commit(self, partitions: set[int]) -> bool:
        """Tell the broker where these partitions are; False when they, or some, have gone to another consumer."""
        held = {each: self._partitions[each] for each in partitions if each in self._partitions}
        offsets = [_position(self._name, each, progress) for each, progress in held.items()]
        if not offsets:
            return len(held) == len(partitions)
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _MOVED:
                raise
            self._forget(held)
            return False
        return True

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the group was; librdkafka calls this while it polls."""
        for each in consumer.committed(partitions, timeout=_TIMEOUT_S):
            known = each.offset if each.offset not in (OFFSET_INVALID, None) and each.offset >= 0 else None
            self._partitions[each.partition] = Progress(known, each.metadata or "")

    def _revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget([each.partition for each in partitions])

    def _forget(self, partitions: Any) -> None:
        for partition in list(partitions):
            self._partitions.pop(partition, None)
        self._out = {key: each for key, each in self._out.items() if key[0] in self._partitions}
        self._early = [each for each in self._early if each.partition() in self._partitions]


def _position(name: str, partition: int, progress: Progress) -> TopicPartition:
    offset, metadata = progress.position()
    return TopicPartition(name, partition, offset, metadata=metadata)


def _place(delivery: Delivery) -> tuple[int, int]:
    partition, _, offset = delivery.position.partition(":")
    return int(partition), int(offset)


def _whole(message: KafkaMessage) -> bool:
    """Whether it is a message, not word of an error that librdkafka mends by itself."""
    error = message.error()
    if error is None:
        return True
    if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise KafkaException(error)
    return False


def _headers(message: KafkaMessage) -> list[tuple[str, bytes | None]]:
    found: list[tuple[str, bytes | None]] = list(message.headers() or [])  # type: ignore[arg-type]  # reads never give str
    return found


def _bytes(part: str | bytes | None) -> bytes:
    """A key or value, none of which is empty here."""
    return part.encode() if isinstance(part, str) else part or b""


def _produce(producer: Producer, name: str, message: Message, done: Any) -> None:
    """Queue a message; waits while the queue is full."""
    headers: list[tuple[str, str | bytes | None]] = [(each, text.encode()) for each, text in message.headers.items()]
    while True:
        try:
            producer.produce(name, message.value, message.key or None, headers=headers, on_delivery=done)
        except BufferError:
            producer.poll(0.1)
        else:
            return
