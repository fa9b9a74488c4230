"""A stream is answered at least once, under keys that tell duplicates; what is no row is put aside."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import NOON

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.inference import Bundle, IsolatedModelFailed, load_bundle
from modelyard.scoring import StreamScored, StreamScorer
from modelyard.streams import Consumer, Lag, Message, Stream, StreamUnavailable, open_stream

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def bundle(built: BuiltBundle) -> Bundle:
    """The small model, loaded."""
    return load_bundle(built.path)


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Stream]:
    """The stream that is consumed."""
    with open_stream(f"local:{tmp_path}/rows?create=true&deliveries=2") as stream:
        yield stream


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[Stream]:
    """The stream of answers."""
    with open_stream(f"local:{tmp_path}/answers?create=true") as stream:
        yield stream


def scorer_of(bundle: Bundle, answers: Stream) -> StreamScorer:
    """What answers, at noon."""
    return StreamScorer(bundle, answers, stream="rows", version="7", clock=ManualClock(NOON))


def sent(stream: Stream, *rows: Answer) -> None:
    """Publish rows with keys k0, k1, …"""
    stream.publish([Message(json.dumps(row).encode(), b"k%d" % at) for at, row in enumerate(rows)])


def read(stream: Stream) -> list[tuple[str, Answer]]:
    """All messages of a stream, by their keys."""
    with stream.consumer("reader") as consumer:
        found = consumer.receive(1000, 0.05)
        consumer.acknowledge(found)
    return [(each.message.key.decode(), msgspec.json.decode(each.message.value)) for each in found]


ROW: Answer = {"amount": 12.5, "country": "de", "visits": 3}


def test_each_message_is_answered_with_the_bundles_own_score(bundle: Bundle, rows: Stream, answers: Stream) -> None:
    """Its key is the prediction id; the message's key and what the model does not take come along."""
    sent(rows, ROW | {"customer": "c1"}, {"amount": 300}, ROW | {"prediction_id": "given"})
    with rows.consumer("g") as consumer:
        done = scorer_of(bundle, answers).run(consumer, until_empty=True)
    assert done == StreamScored(answered=3)
    found = read(answers)
    scores = bundle.predict([ROW, {"amount": 300}, ROW]).scores[:, 0].tolist()
    assert [each["score"] for _, each in found] == scores
    assert [each["prediction"] for _, each in found] == ["1" if each > 0.5 else "0" for each in scores]
    assert [key for key, _ in found] == [each["prediction_id"] for _, each in found]
    assert found[2][0] == "given"
    assert found[0][1]["input"] == {"customer": "c1"}
    assert [each["key"] for _, each in found] == ["k0", "k1", "k2"]
    assert {(each["model_version"], each["predicted_at"]) for _, each in found} == {("7", "2026-01-05T12:00:00Z")}


def test_what_is_no_row_becomes_a_dead_letter_with_the_reason(bundle: Bundle, rows: Stream, answers: Stream) -> None:
    """At once, and the others beside it are answered."""
    sent(rows, ROW, {"amount": "many"}, {"country": "de"}, ROW | {"prediction_id": 7})
    rows.publish([Message(b"{"), Message(b"[1]"), Message(b"\xff")])
    with rows.consumer("g") as consumer:
        done = scorer_of(bundle, answers).run(consumer, until_empty=True)
        assert consumer.lag() == Lag(0, 0)
    assert (done.answered, done.refused) == (1, 6)
    with rows.dead_letters().consumer("reader") as consumer:
        reasons = [each.message.headers["modelyard-dead-reason"] for each in consumer.receive(10, 0.05)]
    assert sum("no JSON object" in each for each in reasons) == 3
    assert any("Field 'amount'" in each and "'many'" in each for each in reasons)
    assert any("prediction_id is no text" in each for each in reasons)


def test_a_message_that_comes_again_is_answered_under_the_same_key(
    bundle: Bundle, rows: Stream, answers: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process is killed between publishing and acknowledging; another stream's are other keys."""
    sent(rows, ROW, ROW)

    class Killed(Exception):
        pass

    def never(*_: object) -> None:
        raise Killed

    with rows.consumer("g") as consumer:
        monkeypatch.setattr(consumer, "acknowledge", never)
        with pytest.raises(Killed):
            scorer_of(bundle, answers).run(consumer, until_empty=True)
    with rows.consumer("g") as consumer:
        scorer_of(bundle, answers).run(consumer, until_empty=True)
    keys = [key for key, _ in read(answers)]
    assert len(keys) == 4
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == 2


def test_answers_that_cannot_be_published_are_held_and_nothing_more_is_asked_for(
    bundle: Bundle, rows: Stream, answers: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go first when it is run again; no message is acknowledged before."""
    sent(rows, *([ROW] * 10))
    scorer, publish = scorer_of(bundle, answers), answers.publish
    asked: list[int] = []

    def away(_: object) -> None:
        raise StreamUnavailable("It is away.")

    with rows.consumer("g") as consumer:
        receive = consumer.receive

        def counted(limit: int = 100, wait_s: float = 1.0) -> Any:
            asked.append(limit)
            return receive(limit, wait_s)

        monkeypatch.setattr(consumer, "receive", counted)
        monkeypatch.setattr(answers, "publish", away)
        for _ in range(3):
            with pytest.raises(StreamUnavailable):
                scorer.run(consumer, together=4, until_empty=True)
        assert asked == [4]
        assert consumer.lag() == Lag(6, 4)
        monkeypatch.setattr(answers, "publish", publish)
        assert scorer.run(consumer, together=4, until_empty=True).answered == 10
    assert len({key for key, _ in read(answers)}) == 10


def test_stopping_finishes_the_batch_at_hand(bundle: Bundle, rows: Stream, answers: Stream) -> None:
    """Its answers are there and its messages acknowledged; the rest waits for others."""
    sent(rows, *([ROW] * 10))
    told: list[StreamScored] = []
    with rows.consumer("g") as consumer:
        done = scorer_of(bundle, answers).run(consumer, together=4, stopped=lambda: bool(told), watch=told.append)
    assert (done.answered, done.left) == (4, Lag(6, 0))
    assert len(read(answers)) == 4


def test_a_row_that_fails_the_model_comes_again_and_then_is_put_aside(
    bundle: Bundle, rows: Stream, answers: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its deliveries; the rows beside it are answered."""
    sent(rows, ROW, {"amount": 666.0}, ROW)
    scores = bundle.scores

    def failing(matrix: NDArray[np.float64], arrays: Any = None) -> NDArray[np.float64]:
        if (matrix[:, 0] == 666.0).any():
            raise IsolatedModelFailed("The model's process ended.")
        return scores(matrix, arrays)

    monkeypatch.setattr(bundle, "scores", failing)
    with rows.consumer("g") as consumer:
        done = drained(scorer_of(bundle, answers), consumer)
    assert (done.answered, done.refused) == (2, 1)
    with rows.dead_letters().consumer("reader") as consumer:
        (dead,) = consumer.receive(10, 0.05)
    assert dead.message.headers["modelyard-dead-attempts"] == "2"


def drained(scorer: StreamScorer, consumer: Consumer) -> StreamScored:
    """Answer until nothing is left."""
    return scorer.run(consumer, until_empty=True)


def test_an_answer_that_is_too_large_is_put_aside(
    bundle: Bundle, rows: Stream, answers: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the others are published."""
    sent(rows, ROW, ROW | {"note": "x" * 1000}, ROW)
    monkeypatch.setattr(type(answers), "limit", 700)
    with rows.consumer("g") as consumer:
        done = scorer_of(bundle, answers).run(consumer, until_empty=True)
    assert (done.answered, done.refused) == (2, 1)
