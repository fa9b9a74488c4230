"""Values planted in what an upstream says, at every split, through the gateway's own way of streaming."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.guards.planted import EVERY, planted

from modelyard.core import Digest
from modelyard.generation import Application, Prompt, Reply, Target, Upstream, Upstreams
from modelyard.guards import Armed, GuardSet, check, default_set
from modelyard.journal import Generated, PredictionRecord
from modelyard.routing import Arm, Route
from modelyard.serving.applications import LoadedApplication
from modelyard.serving.chat.asked import read_asked
from modelyard.serving.chat.attempt import IN_A_THREAD
from modelyard.serving.chat.budgets import Budgets
from modelyard.serving.chat.exchange import Exchange, Parts, Question
from modelyard.serving.chat.kept import AnswerCaches
from modelyard.serving.deployments import Deployment
from modelyard.serving.guarding import Guards
from modelyard.serving.requests import Request
from modelyard.serving.tracing import Tracing

SET = default_set()
ARMED = SET.armed("output")
ASKED = b'{"messages":[{"role":"user","content":"Who?"}],"stream":true}'
WHOLE = b'{"messages":[{"role":"user","content":"Who?"}]}'


class Plane:
    """What an exchange asks of the data plane."""

    pepper = None

    def __init__(self) -> None:
        self.tracing: Tracing | None = None
        self.records: list[tuple[PredictionRecord, Generated]] = []

    def answered(self, *_: object) -> None:
        """Not counted here."""

    def unanswered(self, *_: object) -> None:
        """Nor this."""

    def now(self) -> int:
        """Any instant."""
        return 0

    def generated(self, _deployment: Deployment, record: PredictionRecord, generated: Generated) -> None:
        """Keep it."""
        self.records.append((record, generated))


class Sent:
    """What leaves, event by event."""

    def __init__(self) -> None:
        self.data = b""
        self.texts: list[str] = []

    def write(self, _status: int, body: bytes) -> None:
        """A whole answer."""
        self.data += body

    def open(self) -> None:
        """Nothing yet."""

    def push(self, data: bytes) -> None:
        """Some events."""
        self.data += data
        for line in data.decode().splitlines():
            if line.startswith("data: {"):
                self.texts += [text for each in json.loads(line[6:]).get("choices", ()) for text in texts_of(each)]

    def finish(self) -> None:
        """No more."""

    def on_leave(self, act: Callable[[], object]) -> None:
        """Nobody leaves."""

    async def drained(self) -> None:
        """At once."""

    @property
    def text(self) -> str:
        """All text that has left."""
        return "".join(self.texts)


class Coming:
    """An upstream's answer that comes in these bytes."""

    status, at_hand = 200, False

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = iter(parts)

    async def read(self) -> bytes:
        """The next of them."""
        return next(self._parts, b"")

    def close(self, *, ending: bool = False) -> None:
        """Nothing is kept open."""


class Saying:
    """Upstreams of which one says these bytes."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self._parts = parts

    def answer(self) -> Coming:
        """What it answers."""
        return Coming(self._parts)

    async def ask(self, targets: Sequence[Target], _make_body: object, *, deadline: float) -> Reply:
        """It has begun."""
        del deadline
        known = SimpleNamespace(
            upstream=self.get("one"), breaker=SimpleNamespace(succeeded=lambda: None, failed=lambda: None)
        )
        return Reply(targets[0], cast("Any", self.answer()), cast("Any", known), lambda _name, _outcome: None)

    def get(self, _name: str) -> Upstream:
        """Without prices."""
        return Upstream("http://127.0.0.1:1/v1")


def texts_of(choice: dict[str, Any]) -> Iterator[str]:
    """The texts of one choice of an event: what is said, and what tools are called with."""
    delta = choice["delta"]
    yield delta.get("content") or ""
    for call in delta.get("tool_calls", ()):
        yield call["function"].get("arguments", "")


def application(guards: GuardSet | None) -> LoadedApplication:
    """An application of these guards, or of none."""
    arm, targets = Arm("live", "live", "1", Digest("0" * 64), 1.0), (Target("one", "m"),)
    if guards is None:
        return LoadedApplication(arm, Application(targets), Prompt(()), None)
    return LoadedApplication(arm, Application(targets, guards=guards.digest), Prompt(()), Guards.of(guards))


async def streamed(loaded: LoadedApplication, parts: Sequence[bytes]) -> tuple[Sent, Plane]:
    """What leaves of an upstream's stream in these bytes."""
    plane, sent = Plane(), Sent()
    await exchange(loaded, Saying(parts), plane, sent).run()
    return sent, plane


def exchange(loaded: LoadedApplication, upstreams: Saying, plane: Plane, sent: Sent, asked: bytes = ASKED) -> Exchange:
    """One question to an application, and who hears what comes of it."""
    route = Route("desk", "assistant", 1, (loaded.arm,), "salt")
    deployment = Deployment(route, {"live": loaded}, {})
    budgets = Budgets(None, durable=False, record=lambda _record: None)
    made = Parts(cast("Any", plane), cast("Upstreams", upstreams), budgets, AnswerCaches())
    request = Request({"headers": ()}, None)
    request.body = asked
    question = Question(
        read_asked(request), deployment, loaded, "id", cast("Any", 0), None, forced=False, size=len(asked)
    )
    return Exchange(made, question, sent)


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    """One event of an upstream."""
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n".encode()


def said(piece: str) -> dict[str, Any]:
    """A piece of what is said."""
    return {"content": piece}


def called(piece: str) -> dict[str, Any]:
    """A piece of what a tool is called with."""
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def stream_of(pieces: Sequence[str], make: Callable[[str], dict[str, Any]] = said) -> list[bytes]:
    """The events of a text in these pieces."""
    return [*(event(make(each)) for each in pieces), event({}, "stop"), b"data: [DONE]\n\n"]


async def nothing_leaves(random: Random, loaded: LoadedApplication) -> int:
    """One planted value: each character by itself, split in two at every place, its bytes cut anywhere."""
    text, value, kind = planted(random)
    whole = check(ARMED, text)
    make = random.choice([said, called])
    ways = [list(text), *([text[:at], text[at:]] for at in range(len(text) + 1))]
    for pieces in ways:
        events = stream_of(pieces, make)
        joined = b"".join(events)
        cut = random.randrange(1, len(joined))
        parts = events if random.random() < 0.5 else [joined[:cut], joined[cut:]]
        sent, plane = await streamed(loaded, parts)
        assert sent.text == whole.text, (pieces, kind)
        assert value.encode() not in sent.data
        assert json.dumps(value)[1:-1].encode() not in sent.data
        assert sent.data.endswith(b"data: [DONE]\n\n")
        guarded = plane.records[0][1].guarded_output
        assert guarded is not None
        assert guarded.found.get(f"{kind}:redact", 0) >= 1
    return len(ways)


async def some(seed: int, count: int) -> int:
    """So many values."""
    random, loaded = Random(seed), application(SET)
    return sum([await nothing_leaves(random, loaded) for _ in range(count)])


def test_of_planted_values_none_leaves_the_gateway_at_any_split() -> None:
    """Some at every split; the soak has ten thousand."""
    assert asyncio.run(some(3, 12)) > 300


def test_of_a_few_hundred_values_in_single_characters_no_byte_leaves_early() -> None:
    """What has left is at any moment the beginning of what may leave."""

    async def all_of(count: int) -> None:
        random, loaded = Random(4), application(SET)
        for _ in range(count):
            text, value, _ = planted(random)
            sent, _ = await streamed(loaded, stream_of(list(text)))
            assert sent.text == check(ARMED, text).text
            assert value.encode() not in sent.data
            early, _ = await streamed(loaded, stream_of([text])[:1])  # the upstream hangs up behind it
            assert check(ARMED, text).text.startswith(early.text)
            assert b"[DONE]" not in early.data

    asyncio.run(all_of(200))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_of_ten_thousand_planted_values_none_leaves_the_gateway_at_any_split() -> None:
    """Every kind some six hundred times, each at all its splits."""
    assert asyncio.run(some(5, 10_000)) > 300_000


def test_a_text_behind_the_end_and_what_guards_cannot_read_do_not_leave() -> None:
    """Nor what comes in fields of another shape, nor the tokens of a text that is redacted."""
    loaded = application(SET)
    secret = EVERY["email"](Random(1))
    odd = {
        "choices": [{"index": 0, "delta": {"content": "a", "audio": {"transcript": secret}}, "logprobs": {"t": secret}}]
    }
    events = [
        f"data: {json.dumps(odd)}\n\n".encode(),
        event({"reasoning_content": secret}),
        event({"function_call": {"name": "f", "arguments": secret}}),
        event({}, "stop"),
        event({"content": secret}),
        b"data: [DONE]\n\n",
    ]
    sent, plane = asyncio.run(streamed(loaded, events))
    assert sent.text == "a"
    assert secret.encode() not in sent.data
    assert sent.data.count(b"[EMAIL]") == 2
    guarded = plane.records[0][1].guarded_output
    assert guarded is not None
    assert guarded.found == {"email:redact": 2}


def test_a_refusal_ends_a_stream_with_an_error_and_what_stood_before_it_has_left() -> None:
    """However it is split; the record says what was found, and that the answer was bad."""
    guards = GuardSet.model_validate({"guards": [{"guard": "secrets", "action": "refuse"}]})
    key = EVERY["aws_key"](Random(2))
    text = f"Take {key} then"
    for pieces in ([text], list(text), [text[:12], text[12:]]):
        sent, plane = asyncio.run(streamed(application(guards), stream_of(pieces)))
        assert "Take ".startswith(sent.text)
        assert key.encode() not in sent.data
        assert b"[DONE]" not in sent.data
        told = json.loads(sent.data.splitlines()[-2 if sent.text else -1].removeprefix(b"data: "))["error"]
        assert (told["code"], told["type"]) == ("guard_refused", "invalid_request_error")
        record, generated = plane.records[0]
        assert record.error == "invalid_output"
        assert generated.guarded_output is not None
        assert (generated.guarded_output.refused, generated.guarded_output.verdict) == (True, "fail")


class Breaks:
    """A guard that fails at what it reads."""

    name = "breaks"
    longest = 1
    clear = 0

    def open(self, _context: object) -> "Breaks":
        """Itself."""
        return self

    def feed(self, _text: str) -> list[Any]:
        """Fail."""
        raise RuntimeError("no")

    def end(self, _text: str = "") -> list[Any]:
        """Fail."""
        raise RuntimeError("no")


@pytest.mark.parametrize("closed", [True, False])
def test_a_guard_that_fails_follows_the_set(*, closed: bool) -> None:
    """Closed: nothing leaves, and the fault is ours. Open: the text goes on, and is no pass."""
    loaded = application(SET)
    armed = (Armed(cast("Any", Breaks()), SET.guards[0].action),)
    broken = LoadedApplication(loaded.arm, loaded.application, loaded.prompt, Guards(closed, "d", {"output": armed}))
    sent, plane = asyncio.run(streamed(broken, stream_of(["Hello ", "there"])))
    guarded = plane.records[0][1].guarded_output
    assert guarded is not None
    assert guarded.failed == ("breaks",)
    if closed:
        assert sent.text == ""
        assert b'"code":"guard_failed"' in sent.data
        assert plane.records[0][0].error == "model"
    else:
        assert sent.text == "Hello there"
        assert guarded.verdict == "inconclusive"


class Notes(Breaks):
    """A guard that finds nothing, and notes in which thread it looks."""

    def __init__(self) -> None:
        self.threads: set[threading.Thread] = set()

    def open(self, _context: object) -> "Notes":
        """Itself."""
        return self

    def feed(self, _text: str) -> list[Any]:
        """Look."""
        self.threads.add(threading.current_thread())
        return []

    def end(self, _text: str = "") -> list[Any]:
        """Look."""
        return self.feed("")


MUCH = IN_A_THREAD // 10


@pytest.mark.parametrize(
    ("more", "beside"),
    [
        ({}, False),
        ({"messages": [{"role": "user", "content": "x" * IN_A_THREAD}]}, True),
        ({"messages": [{"role": "user", "content": "x"}] * MUCH}, True),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * MUCH}]}, True),
        ({"variables": {"long": "x" * IN_A_THREAD}}, True),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"arguments": "x" * IN_A_THREAD}}]}]}, True),
    ],
)
def test_guards_look_at_a_long_request_beside_the_event_loop(more: dict[str, Any], *, beside: bool) -> None:
    """Wherever it is long: others are answered meanwhile."""
    loaded, notes = application(SET), Notes()
    armed = {"input": (Armed(cast("Any", notes), SET.guards[0].action),)}
    noting = LoadedApplication(loaded.arm, loaded.application, loaded.prompt, Guards(True, "d", cast("Any", armed)))
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], **more}).encode()
    asyncio.run(exchange(noting, Saying([b"{}"]), Plane(), Sent(), body).run())
    assert [each is not threading.main_thread() for each in notes.threads] == [beside]
