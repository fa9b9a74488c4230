"""What every stream must do, whatever broker keeps it."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from modelyard.core import from_micros
from modelyard.streams import (
    Consumer,
    ConsumerOptions,
    Delivery,
    InvalidMessage,
    Lag,
    Message,
    MessageTooLarge,
    Stream,
    StreamNotFound,
)

PATIENCE_S = 30.0
"""How long a broker may take to bring what is there; joining a group costs some of them seconds."""

Again = Callable[..., Stream]
"""Opens the test's stream anew, as another process would; `name` opens another stream of the broker."""


def received(consumer: Consumer, count: int, seconds: float = PATIENCE_S) -> list[Delivery]:
    """So many messages, or those that came in so many seconds."""
    found: list[Delivery] = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        found += consumer.receive(count - len(found), 0.2)
    return found


def await_lag(lag: Callable[[], Lag], expected: Lag, seconds: float = PATIENCE_S) -> None:
    """Brokers may count deliveries and acknowledgements a moment after the caller went on."""
    deadline = time.monotonic() + seconds
    while lag() != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lag() == expected


def values(deliveries: list[Delivery]) -> list[bytes]:
    """What was in messages."""
    return [each.message.value for each in deliveries]


def numbered(start: int, stop: int, keys: int = 1) -> list[Message]:
    """Messages that hold their number, with so many keys in turn."""
    return [Message(b"%d" % number, b"key %d" % (number % keys)) for number in range(start, stop)]


class StreamSuite(ABC):
    """Promises of `streams.Stream` and `streams.Consumer`. Subclasses open the test's own stream, which exists."""

    divides_slowly = False
    """Whether the consumers of a group share by dividing the stream between them, which takes a while."""

    rewinds = True
    """Whether the broker at hand lets a group begin again: one that stands in for a real one may not."""

    @abstractmethod
    @pytest.fixture
    def again(self) -> Iterator[Again]:
        """Opens the test's own empty stream."""

    @pytest.fixture
    def stream(self, again: Again) -> Stream:
        """The test's own empty stream."""
        return again()

    def test_a_message_arrives_as_it_was_sent(self, stream: Stream) -> None:
        """Any bytes, keys and headers, also empty ones and such that are no text; with when it was published."""
        sent = [
            Message(b"", b"", {}),
            Message(bytes(range(256)), "schlüssel \U0001f511".encode(), {"Content-Type": "text", "x_1": "ü\r\n: ✓"}),
            Message(b"\x00", b"\x00\xff", {"empty": ""}),
            Message(b"x" * 100_000, b"k" * 1000, {"long": "y" * 2000}),
        ]
        before = time.time() - 5
        stream.publish(sent)
        stream.publish([])
        with stream.consumer("g") as consumer:
            found = received(consumer, len(sent))
            consumer.acknowledge(found)
        ours = {each.message.value: each for each in found}
        for message in sent:
            got = ours[message.value]
            assert got.message.key == message.key
            lower = {name.lower(): text for name, text in got.message.headers.items()}
            assert lower == {name.lower(): text for name, text in message.headers.items()}
            assert got.attempt == 1
            assert before < got.published_us / 1e6 < time.time() + 5
        assert len({each.position for each in found}) == len(sent)

    def test_what_is_acknowledged_does_not_come_again(self, stream: Stream, again: Again) -> None:
        """What is not does, in the same consumer and in another one, as one attempt more."""
        stream.publish(numbered(0, 6, keys=6))
        options = ConsumerOptions(redeliver_s=1.0)
        with stream.consumer("g", options) as consumer:
            first = received(consumer, 6)
            assert sorted(values(first)) == [b"%d" % number for number in range(6)]
            kept = [each for each in first if int(each.message.value) % 2]
            consumer.acknowledge(kept)
            second = received(consumer, 3)
            assert sorted(values(second)) == [b"0", b"2", b"4"]
            assert {each.attempt for each in second} == {2}
            assert {each.position for each in second} <= {each.position for each in first}
            consumer.acknowledge([each for each in second if each.message.value == b"4"])
        with again().consumer("g", options) as another:
            third = received(another, 2)
            assert sorted(values(third)) == [b"0", b"2"]
            assert {each.attempt for each in third} == {3}
            another.acknowledge(third)
            assert another.receive(10, 1.5) == []

    def test_a_group_goes_on_where_it_was(self, stream: Stream, again: Again) -> None:
        """Also when nobody was there while messages came."""
        stream.publish(numbered(0, 10))
        with stream.consumer("g") as consumer:
            consumer.acknowledge(received(consumer, 10))
        stream.publish(numbered(10, 15))
        with again().consumer("g") as consumer:
            found = received(consumer, 5)
            assert values(found) == [b"%d" % number for number in range(10, 15)]
            consumer.acknowledge(found)

    def test_consumers_of_a_group_share_and_groups_do_not(self, stream: Stream, again: Again) -> None:
        """Two consumers of one group get each message once between them; another group gets all of them."""
        count = 60
        with again().consumer("g") as one, again().consumer("g") as two, again().consumer("h") as other:
            if self.divides_slowly:
                together(one, two)
            stream.publish(numbered(0, count, keys=20))
            shares: list[list[Delivery]] = [[], []]
            end = time.monotonic() + PATIENCE_S
            while sum(map(len, shares)) < count and time.monotonic() < end:
                for consumer, share in zip((one, two), shares, strict=True):
                    found = consumer.receive(4, 0.05)
                    consumer.acknowledge(found)
                    share.extend(found)
            expected = sorted(b"%d" % number for number in range(count))
            assert sorted(values(shares[0]) + values(shares[1])) == expected
            assert all(shares)
            everything = received(other, count)
            assert sorted(values(everything)) == expected
            other.acknowledge(everything)

    def test_messages_of_a_key_come_in_their_order(self, stream: Stream) -> None:
        """For one consumer, over several calls that publish."""
        for start in range(0, 300, 100):
            stream.publish(numbered(start, start + 100, keys=7))
        with stream.consumer("g") as consumer:
            found = received(consumer, 300)
            consumer.acknowledge(found)
        assert len(found) == 300
        for key in range(7):
            mine = [int(each.message.value) for each in found if each.message.key == b"key %d" % key]
            assert mine == sorted(mine)
            assert len(mine) == len(range(key, 300, 7))

    def test_many_messages_come_once_each(self, stream: Stream) -> None:
        """No more than a consumer may have in flight at once, and all of them in the end."""
        stream.publish(numbered(0, 3000, keys=50))
        seen: list[bytes] = []
        with stream.consumer("g", ConsumerOptions(in_flight=400)) as consumer:
            end = time.monotonic() + PATIENCE_S
            while len(seen) < 3000 and time.monotonic() < end:
                found = consumer.receive(1000, 0.5)
                assert len(found) <= 400
                seen += values(found)
                consumer.acknowledge(found)
        assert len(seen) == 3000
        assert len(set(seen)) == 3000

    def test_no_more_is_in_flight_than_may_be(self, stream: Stream) -> None:
        """Until something is acknowledged; the wait is short, for there is nothing to wait for."""
        stream.publish(numbered(0, 10))
        with stream.consumer("g", ConsumerOptions(in_flight=4)) as consumer:
            first = received(consumer, 4)
            assert len(first) == 4
            started = time.monotonic()
            assert consumer.receive(10, 20.0) == []
            assert time.monotonic() - started < 10
            consumer.acknowledge(first[:3])
            more = received(consumer, 3)
            assert len(more) == 3
            consumer.acknowledge([*first[3:], *more])

    def test_what_fails_again_and_again_becomes_a_dead_letter(self, stream: Stream, again: Again) -> None:
        """With the reason and what it was; what came after it goes on."""
        stream.publish([Message(b"poison", b"k", {"kind": "bad"}), Message(b"good", b"k")])
        reasons, good = list[bool](), 0
        with stream.consumer("g", ConsumerOptions(deliveries=3)) as consumer:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end and (len(reasons) < 3 or not good):
                for each in consumer.receive(10, 0.2):
                    if each.message.value == b"poison":
                        reasons.append(consumer.reject(each, f"no number: 'x' ({each.attempt})"))
                    else:
                        consumer.acknowledge([each])
                        good += 1
            assert reasons == [False, False, True]
            assert good == 1
        with again().dead_letters().consumer("undertaker") as consumer:
            (dead,) = received(consumer, 1)
            consumer.acknowledge([dead])
        headers = {name.lower(): text for name, text in dead.message.headers.items()}
        assert (dead.message.value, dead.message.key, headers["kind"]) == (b"poison", b"k", "bad")
        assert headers["modelyard-dead-reason"] == "no number: 'x' (3)"
        assert (headers["modelyard-dead-group"], headers["modelyard-dead-attempts"]) == ("g", "3")
        await_lag(lambda: stream.lag("g"), Lag(0, 0))

    def test_what_kills_its_consumers_becomes_a_dead_letter_too(self, stream: Stream, again: Again) -> None:
        """Deliveries are counted before the message is seen, so that those of the dead count."""
        stream.publish([Message(b"poison")])
        options = ConsumerOptions(deliveries=2, redeliver_s=60)
        for attempt in (1, 2):
            with again().consumer("g", options) as consumer:
                (found,) = received(consumer, 1)
                assert found.attempt == attempt
        with again().consumer("g", options) as consumer:
            assert received(consumer, 1, seconds=4.0) == []
        with again().dead_letters().consumer("undertaker") as consumer:
            (dead,) = received(consumer, 1)
            headers = {name.lower(): text for name, text in dead.message.headers.items()}
            assert "delivered 2 times" in headers["modelyard-dead-reason"]
            consumer.acknowledge([dead])

    def test_a_message_can_be_put_aside_at_once(self, stream: Stream) -> None:
        """Where trying again is no use."""
        stream.publish([Message(b"poison"), Message(b"good")])
        with stream.consumer("g") as consumer:
            found = {each.message.value: each for each in received(consumer, 2)}
            consumer.dead_letter(found[b"poison"], "ü" * 5000)
            consumer.acknowledge([found[b"good"]])
            await_lag(consumer.lag, Lag(0, 0))
        with stream.dead_letters().consumer("undertaker") as consumer:
            assert values(received(consumer, 1)) == [b"poison"]

    def test_a_consumer_that_closes_leaves_its_messages_to_others(self, stream: Stream, again: Again) -> None:
        """At once, however long redelivery takes otherwise."""
        stream.publish(numbered(0, 3, keys=3))
        options = ConsumerOptions(redeliver_s=600)
        consumer = stream.consumer("g", options)
        assert len(received(consumer, 3)) == 3
        consumer.close()
        consumer.close()
        with again().consumer("g", options) as another:
            found = received(another, 3)
            assert sorted(values(found)) == [b"0", b"1", b"2"]
            another.acknowledge(found)

    def test_lag_counts_what_waits_and_what_is_out(self, stream: Stream) -> None:
        """Of a group that nobody was in everything waits."""
        await_lag(lambda: stream.lag("g"), Lag(0, 0))
        stream.publish(numbered(0, 10))
        await_lag(lambda: stream.lag("g"), Lag(10, 0))
        with stream.consumer("g", ConsumerOptions(in_flight=6)) as consumer:
            found = received(consumer, 6)
            await_lag(consumer.lag, Lag(4, 6))
            consumer.acknowledge(found[:5])
            await_lag(consumer.lag, Lag(4, 1))
            consumer.acknowledge(found[5:])
        await_lag(lambda: stream.lag("g"), Lag(4, 0))
        await_lag(lambda: stream.lag("h"), Lag(10, 0))

    def test_a_group_can_begin_again(self, stream: Stream, again: Again) -> None:
        """With the oldest message; attempts count anew. Other groups do not notice."""
        if not self.rewinds:
            pytest.skip("this broker does not rewind")
        stream.publish(numbered(0, 5))
        for group in "gh":
            with again().consumer(group) as consumer:
                consumer.acknowledge(received(consumer, 5))
        stream.rewind("g")
        with again().consumer("g") as consumer:
            found = received(consumer, 5)
            assert values(found) == [b"%d" % number for number in range(5)]
            assert {each.attempt for each in found} == {1}
            consumer.acknowledge(found)
        await_lag(lambda: stream.lag("h"), Lag(0, 0))

    def test_a_group_can_begin_at_a_time(self, stream: Stream, again: Again) -> None:
        """With the first message published then or later; in the future it has nothing to come."""
        if not self.rewinds:
            pytest.skip("this broker does not rewind")
        stream.publish(numbered(0, 3))
        time.sleep(0.05)
        stream.publish(numbered(3, 5))
        with again().consumer("g") as consumer:
            found = received(consumer, 5)
            consumer.acknowledge(found)
        since = from_micros(next(each.published_us for each in found if each.message.value == b"3"))
        stream.rewind("g", since)
        with again().consumer("g") as consumer:
            assert values(received(consumer, 2)) == [b"3", b"4"]
        stream.rewind("g", since + timedelta(days=1))
        await_lag(lambda: stream.lag("g"), Lag(0, 0))

    def test_what_is_too_large_is_told_before_anything_is_published(self, stream: Stream) -> None:
        """With its size and the limit; what just fits does."""
        with pytest.raises(MessageTooLarge, match=r"Message 1 has .* bytes, and stream '.*' takes"):
            stream.publish([Message(b"small"), Message(b"x" * (stream.limit + 1))])
        await_lag(lambda: stream.lag("g"), Lag(0, 0))
        stream.publish([Message(b"x" * stream.limit)])
        await_lag(lambda: stream.lag("g"), Lag(1, 0))

    def test_a_header_that_has_no_name_is_refused(self, stream: Stream) -> None:
        """Nothing of its call is published."""
        for name in ("", "a b", "ü", "a:b", "x" * 65):
            with pytest.raises(InvalidMessage, match="header named"):
                stream.publish([Message(b"good"), Message(b"bad", headers={name: "x"})])
        await_lag(lambda: stream.lag("g"), Lag(0, 0))

    def test_a_stream_that_is_not_there_is_told(self, again: Again, stream: Stream) -> None:
        """With what is there and how to make it; nothing is made by asking."""
        for _ in range(2):
            missing = again(name=stream.name + "x")
            with pytest.raises(StreamNotFound, match=stream.name) as told:
                missing.publish([Message(b"x")])
            assert "create=true" in told.value.remedy
            with pytest.raises(StreamNotFound):
                missing.consumer("g")
            with pytest.raises(StreamNotFound):
                missing.lag("g")


def together(one: Consumer, two: Consumer) -> None:
    """Wait until two consumers of a group have found each other."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert one.receive(1, 0.05) == two.receive(1, 0.05) == []
