"""Upstreams that go wrong in words and bytes of their own: each is told, counted, on record, and paid for once."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.generation import Price, PriceList
from modelyard.guards import GuardSet
from modelyard.journal import Generated, PredictionRecord
from modelyard.routing import Arm, ServingPolicy
from modelyard.serving.chat.budgets import FOLDER
from modelyard.serving.chat.ledger import Ledger
from modelyard.testing import faulty_upstream

from .test_chat import REMEDIES, Gateway, live, route, text_of

LIMIT = 10**9
DEADLINE = 1.0

# ---- what upstreams say


def event(data: Any) -> bytes:
    """An event, of a value or of bytes as they are."""
    return b"data: %b\n\n" % (data if isinstance(data, bytes) else json.dumps(data).encode())


def piece(delta: dict[str, Any], finish: Any = None, **more: Any) -> bytes:
    """An event with a piece of an answer."""
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


def http(body: bytes, status: int = 200, *headers: bytes) -> bytes:
    """An answer over HTTP."""
    lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def whole(message: Any = None, **more: Any) -> bytes:
    """An answer in one piece."""
    choice = {"index": 0, "message": message or {"role": "assistant", "content": "one two"}, "finish_reason": "stop"}
    return http(json.dumps({"choices": [choice], **more}).encode())


HELLO, TWO, STOP = piece({"content": "one"}), piece({"content": " two"}), piece({}, "stop")
DONE = event(b"[DONE]")
USAGE = {"prompt_tokens": 30, "completion_tokens": 20}


def stream(*events: bytes) -> bytes:
    """A stream of events."""
    return http(b"".join(events), 200, b"content-type: text/event-stream")


def busy(retry_after: bytes) -> bytes:
    """429, and when to come again."""
    return http(b'{"error":{"message":"slow down"}}', 429, b"retry-after: " + retry_after)


# ---- what comes of it


@dataclass(frozen=True)
class Told:
    """What a caller gets: the status, whether an error (event), what it says; and what is counted of it."""

    status: int
    says: str = ""
    outcome: str = "broken"
    error: str | None = "invalid_output"

    @property
    def begun(self) -> bool:
        """Whether the error is an event of a stream that had begun."""
        return self.status == 200 and self.error is not None


FINE = Told(200, outcome="answered", error=None)
BROKEN = Told(502, "another shape")
CUT = Told(502, "ended before its end")
SAID = Told(502, "oh no", error="model")
ABSURD = Told(502, "nobody can mean")
BUSY = Told(503, "slow down", outcome="busy", error="model")
NO_HTTP = Told(502, "does not speak HTTP")
REFUSED = Told(400, "oh no", outcome="refused", error="input")
LATE = Told(503, "not whole after 1 s", outcome="late", error="timeout")

ERROR = b'{"error":{"message":"oh no","code":5}}'
OK, OK_STREAM = whole(usage=USAGE), stream(HELLO, TWO, STOP, event({"choices": [], "usage": USAGE}), DONE)

SAYS: dict[str, tuple[bytes, Told, bytes, Told]] = {
    "content type of a page": (
        OK.replace(b"HTTP/1.1 200 X", b"HTTP/1.1 200 X\r\ncontent-type: text/html"),
        FINE,
        OK_STREAM.replace(b"event-stream", b"html"),
        FINE,
    ),
    "a page": (
        http(b"<html>hi</html>"),
        Told(502, "no whole JSON"),
        http(b"<html>hi</html>"),
        Told(502, "no stream of events: '<html>"),
    ),
    "an error of status 200": (http(ERROR), SAID, http(ERROR), SAID),
    "whole for a stream": (OK, FINE, OK, Told(502, "no stream of events")),
    "no end": (OK, FINE, stream(HELLO, TWO, STOP), FINE),
    "no reason": (OK, FINE, stream(HELLO, TWO, DONE), FINE),
    "reasons of no characters": (
        OK,
        FINE,
        stream(piece({"content": "one"}, ""), piece({"content": " two"}, ""), DONE),
        FINE,
    ),
    "an end alone": (
        http(b'{"choices":[]}'),
        Told(502, "without a choice"),
        stream(DONE),
        Told(502, "without a choice"),
    ),
    "nothing": (http(b""), Told(502, "no whole JSON"), stream(), CUT),
    "comments alone": (OK, FINE, stream(b": still here\n\n" * 1000), Told(502, "no stream of events")),
    "an event of ten megabytes": (
        OK,
        FINE,
        stream(HELLO, event(b"x" * 10_000_000)),
        Told(200, "more than 4194304 bytes"),
    ),
    "chunks without choices": (
        http(b"{}"),
        Told(502, "without a choice"),
        stream(event({}), event({"choices": []}), HELLO, event({"id": "x"}), TWO, STOP, DONE),
        FINE,
    ),
    "choices of null": (http(b'{"choices":null}'), BROKEN, stream(event({"choices": None}), HELLO, STOP, DONE), BROKEN),
    "no message": (http(b'{"choices":[{"index":0}]}'), Told(502, "without a message"), OK_STREAM, FINE),
    "a reason that is a number": (
        http(b'{"choices":[{"message":{"content":"x"},"finish_reason":7}]}'),
        BROKEN,
        stream(HELLO, piece({}, 7)),
        BROKEN,
    ),
    "half a character": (
        http(b'{"choices":[{"message":{"content":"\\ud83d"}}]}'),
        Told(502, "no whole JSON"),
        stream(HELLO, event(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}'), STOP),
        Told(502, "no whole JSON"),
    ),
    "lists without end": (
        http(b'{"choices":[{"message":{"x":%b' % (b"[" * 20_000)),
        Told(502, "no whole JSON"),
        stream(HELLO, event(b'{"choices":[{"delta":{"x":%b' % (b"[" * 20_000))),
        Told(502, "no whole JSON"),
    ),
    "redirect": (
        http(b"", 307, b"location: /v1"),
        Told(502, "answered 307"),
        http(b"", 301),
        Told(502, "answered 301"),
    ),
    "no content": (
        b"HTTP/1.1 204 X\r\n\r\n",
        Told(502, "answered 204"),
        b"HTTP/1.1 204 X\r\n\r\n",
        Told(502, "answered 204"),
    ),
    "another protocol": (
        b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: y\r\n\r\nyy",
        NO_HTTP,
        b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: y\r\n\r\nyy",
        NO_HTTP,
    ),
    "hints before": (
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\ncontent-length: 5\r\n\r\n" + OK,
        FINE,
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 199 X\r\n\r\n" + OK_STREAM,
        FINE,
    ),
    "hints without end": (b"HTTP/1.1 103 X\r\n\r\n" * 20_000, NO_HTTP, b"HTTP/1.1 103 X\r\n\r\n" * 20_000, NO_HTTP),
    "a status that there is not": (http(b"", 99), NO_HTTP, http(b"", 99), NO_HTTP),
    "a head of megabytes": (
        OK.replace(b"X\r\n", b"X\r\na: %b\r\n" % (b"x" * 2_000_000), 1),
        NO_HTTP,
        OK_STREAM.replace(b"X\r\n", b"X\r\na: %b\r\n" % (b"x" * 2_000_000), 1),
        NO_HTTP,
    ),
    "two answers": (OK + http(b"boo", 500), FINE, OK_STREAM + http(b"boo", 500), FINE),
    "two lengths": (
        http(b"{}", 200, b"content-length: 3"),
        NO_HTTP,
        http(b"", 200, b"transfer-encoding: chunked"),
        NO_HTTP,
    ),
    "packed": (
        http(b"\x1f\x8b\x08\0", 200, b"content-encoding: gzip"),
        Told(502, "no whole JSON"),
        http(b"\x1f\x8b\x08\0", 200, b"content-encoding: gzip"),
        Told(502, "no stream of events"),
    ),
    "an error that is a list": (
        http(b'["oh no"]', 400),
        REFUSED,
        http(b'{"error":{"message":"oh no","param":{"a":1}}}', 422),
        REFUSED,
    ),
    "an error of nothing": (
        http(b"null", 400),
        Told(400, "nothing more", "refused", "input"),
        http(b"", 413),
        Told(400, "nothing more", "refused", "input"),
    ),
    "after 1e999": (busy(b"1e999"), ABSURD, busy(b"9" * 400), ABSURD),
    "after -5": (busy(b"-5"), ABSURD, busy(b"."), ABSURD),
    "after the past": (
        busy(b"Thu, 01 Jan 1970 00:00:00 GMT"),
        ABSURD,
        busy(b"Mon, 01 Jan 0001 00:00:00 +2359"),
        ABSURD,
    ),
    "after the year 9999": (
        busy(b"Fri, 31 Dec 9999 23:59:59 GMT"),
        ABSURD,
        busy(b"Fri, 31 Dec 9999 23:59:59 -2359"),
        ABSURD,
    ),
    "after nought": (busy(b"0"), BUSY, busy(b"0.0"), BUSY),
}
"""By what they do: what comes whole and what that is for a caller, what is streamed and what that is."""

ODD_USAGE: dict[str, Any] = {
    "negative": {"prompt_tokens": -30, "completion_tokens": 20},
    "absurd": {"prompt_tokens": 10**30, "completion_tokens": 2**63},
    "beyond the input": {**USAGE, "prompt_tokens_details": {"cached_tokens": 31}},
    "negative details": {**USAGE, "prompt_tokens_details": {"cached_tokens": -1}},
    "a fraction": {"prompt_tokens": 3.5, "completion_tokens": 20},
    "words": {"prompt_tokens": "many", "completion_tokens": "few"},
    "flags": {"prompt_tokens": True, "completion_tokens": False},
    "nulls": {"prompt_tokens": None, "completion_tokens": None},
    "a list": [30, 20],
    "half of it": {"prompt_tokens": 30},
    "a sum alone": {"total_tokens": 50},
    "empty": {},
}
"""Usage that cannot be: the most that the answer can have come to is charged, and the answer is told."""

GOOD_USAGE: dict[str, Any] = {
    "whole floats": {"prompt_tokens": 30.0, "completion_tokens": 20.0},
    "digits": {"prompt_tokens": "30", "completion_tokens": "20"},
    "null details": {**USAGE, "prompt_tokens_details": None},
}
"""Usage that can be meant."""


def with_usage(usage: Any) -> tuple[bytes, Told, bytes, Told]:
    """Answers that tell it."""
    return whole(usage=usage), FINE, stream(HELLO, TWO, STOP, event({"choices": [], "usage": usage}), DONE), FINE


SAYS |= {f"usage: {name}": with_usage(usage) for name, usage in {**ODD_USAGE, **GOOD_USAGE}.items()}
FAULTS: dict[str, tuple[Told | None, Told | None]] = {
    "cut": (Told(502, "was cut off"), Told(200, "was cut off")),
    "half-json": (Told(502, "no whole JSON"), None),
    "half-event": (None, Told(502, "no whole JSON")),
    "error-event": (None, Told(502, "out of memory", error="model")),
    "other-shape": (BROKEN, BROKEN),
    "hang-up": (Told(503, "hung up", "busy", "model"),) * 2,
    "forbidden": (Told(502, "answered 401"),) * 2,
    "busy-absurd": (ABSURD, ABSURD),
    "too-long": (Told(400, "the context is too long", "refused", "input"),) * 2,
}
"""Of the faults that the upstream plays by itself: what each is for a caller, whole and streamed."""

GUARDED = {
    name: SAYS[name] for name in ("no reason", "reasons of no characters", "an error of status 200", "usage: absurd")
}
GUARDS = GuardSet.model_validate({"guards": [{"guard": "personal_data"}]})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with a deployment for each of them, all with a budget."""
    with faulty_upstream() as upstream:
        upstream.every_seconds = 0.02
        upstream.says |= {name: (each[0], each[2]) for name, each in SAYS.items()}
        made = Gateway(tmp_path_factory.mktemp("bad"), upstream)
        names = {f"d{at}": name for at, name in enumerate(SAYS)}
        routes = [route(deployment, live(made.bundle(name))) for deployment, name in names.items()]
        routes += [route(f"g{name}", live(made.bundle(name, guards=GUARDS))) for name in GUARDED]
        routes += [route(name, live(made.bundle(name))) for name in FAULTS]
        routes.append(route("trickle", live(made.bundle("trickle", deadline=DEADLINE))))
        bad = Arm("canary", "canary", "2", made.bundle("an end alone"), 1.0)
        copied = Arm("shadow", "shadow", "3", made.bundle("half a character"), 1.0)
        routes.append(route("arms", live(made.bundle("two answers"), 0.0), bad, copied))
        made.publish(
            *routes,
            policy=ServingPolicy(log_text="full", budget_micros=LIMIT, budget_period="ever"),
            prices=PriceList({name: Price(10**6, 10**6) for name in (*SAYS, *FAULTS, "trickle")}),
        )
        made.server.start()
        yield made
        assert made.server.stop() == 0
        assert "Traceback" not in (made.server.folder / "server.log").read_text()
        assert "chat failed" not in (made.server.folder / "server.log").read_text()


METRICS = (
    "model_requests_total", "llm_upstream_requests_total", "model_prediction_errors_total",
    "model_infer_request_success_total", "model_infer_request_failure_total",
)  # fmt: skip


def asked(made: Gateway, deployment: str, *, streamed: bool) -> tuple[int, Any]:
    """Ask for an answer in one piece, or for a stream."""
    return made.stream(deployment) if streamed else made.ask(deployment)


def check(made: Gateway, deployment: str, *, streamed: bool, told: Told) -> tuple[PredictionRecord, Generated]:
    """Ask, and see that what comes is told, counted, on record and paid for; the record."""
    before, on_record, began = made.server.counts(*METRICS), len(made.records(deployment)), time.monotonic()
    status, answer = asked(made, deployment, streamed=streamed)
    assert time.monotonic() - began < 5
    assert status == told.status, answer
    end = answer[-1] if streamed else answer
    if told.error is None and streamed:
        assert (text_of(answer), answer[-2]["choices"][0]["finish_reason"], end) == ("one two", "stop", "[DONE]")
    elif told.error is None:
        assert end["choices"][0]["message"]["content"] == "one two"
    else:
        assert set(end["error"]) == {"message", "type", "param", "code"}
        assert end["error"]["type"] == ("invalid_request_error" if status == 400 else "server_error")
        assert told.says in end["error"]["message"]
        assert any(each in end["error"]["message"] for each in (*REMEDIES, "a longer --deadline")), end
    check_counted(made.server.counts(*METRICS) - before, told)
    made_of = made.records(deployment)
    assert len(made_of) == on_record + 1
    record, generated = made_of[-1]
    assert (record.answered, record.error) == (told.error is None, told.error)
    assert (generated.cost_micros or 0) >= 0
    check_ledger(made, deployment)
    return record, generated


def check_counted(counted: Counter[str], told: Told) -> None:
    """A request by its code, the upstream by its outcome (twice, if it was asked again), the failure by its kind."""
    model = 'model_name="assistant"'
    outcome = f'llm_upstream_requests_total{{outcome="{told.outcome}",upstream="one"}}'
    expected = Counter(
        {f'model_requests_total{{code="{told.status}",{model}}}': 1, outcome: 1 + (told.outcome == "busy")}
    )
    ended = "success" if told.error is None else "failure"
    expected[f'model_infer_request_{ended}_total{{model="assistant",version="1"}}'] = 1
    if told.error is not None:
        expected[f'model_prediction_errors_total{{kind="{told.error}",{model}}}'] = 1
    assert counted == expected


def check_ledger(made: Gateway, deployment: str) -> None:
    """What is spent is what is on record, and nothing is held."""
    ledger = Ledger(made.server.folder / "journal" / FOLDER)
    costs = sum(each.cost_micros or 0 for _, each in made.records(deployment))
    assert ledger.state(f"{deployment}/ever") == (costs, 0)
    assert costs < LIMIT
    ledger.close()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", SAYS)
def test_whatever_an_upstream_says_is_told_counted_on_record_and_paid_for_once(
    gateway: Gateway, name: str, *, streamed: bool
) -> None:
    """In one piece and streamed."""
    _, of_whole, _, of_stream = SAYS[name]
    told = of_stream if streamed else of_whole
    _, generated = check(gateway, f"d{list(SAYS).index(name)}", streamed=streamed, told=told)
    odd = name.removeprefix("usage: ") in ODD_USAGE
    if odd:
        assert (generated.told, generated.output_tokens) == (False, 64)
    if name.removeprefix("usage: ") in GOOD_USAGE:
        assert (generated.told, generated.input_tokens, generated.output_tokens, generated.cost_micros) == (
            True,
            30,
            20,
            50,
        )


@pytest.mark.parametrize(
    ("name", "streamed", "told"),
    [(name, bool(at), told) for name, both in FAULTS.items() for at, told in enumerate(both) if told is not None],
)
def test_whatever_an_upstream_does_is_told_counted_on_record_and_paid_for_once(
    gateway: Gateway, name: str, told: Told, *, streamed: bool
) -> None:
    """It hangs up, stops in the middle, or asks for what nobody can mean."""
    check(gateway, name, streamed=streamed, told=told)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", GUARDED)
def test_guards_hand_on_all_of_an_answer_whose_end_is_told_oddly(
    gateway: Gateway, name: str, *, streamed: bool
) -> None:
    """They hold words back until the end of a text."""
    _, of_whole, _, of_stream = SAYS[name]
    check(gateway, f"g{name}", streamed=streamed, told=of_stream if streamed else of_whole)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_comes_a_byte_at_a_time_ends_at_the_deadline(gateway: Gateway, *, streamed: bool) -> None:
    """It is never silent for long: a stream that has begun ends with an error event."""
    told = Told(200, LATE.says, "late", "timeout") if streamed else LATE
    check(gateway, "trickle", streamed=streamed, told=told)


@pytest.mark.parametrize("streamed", [False, True])
def test_of_arms_that_go_wrong_each_is_paid_for_by_itself(gateway: Gateway, *, streamed: bool) -> None:
    """The canary's answer is none, live answers, and the shadow's is half a character: three records, three costs."""
    before, on_record = gateway.server.counts(*METRICS), len(gateway.records("arms"))
    assert asked(gateway, "arms", streamed=streamed)[0] == 200
    gateway.server.until(lambda: len(gateway.records("arms")) == on_record + 3)
    made = gateway.records("arms")[on_record:]
    assert [(record.arm, record.error) for record, _ in made] == [
        ("canary", "invalid_output"),
        ("live", None),
        ("shadow", "invalid_output"),
    ]
    assert all((generated.cost_micros or 0) > 0 for _, generated in made)
    gateway.server.until(lambda: held(gateway, "arms") == 0)
    check_ledger(gateway, "arms")
    counted = gateway.server.counts(*METRICS) - before
    assert counted['model_requests_total{code="200",model_name="assistant"}'] == 1
    assert counted['llm_upstream_requests_total{outcome="broken",upstream="one"}'] == 2
    assert not [each for each in counted if "failure" in each]  # the caller has his answer


def test_of_all_of_it_at_once_nothing_is_lost_or_paid_twice(gateway: Gateway) -> None:
    """Whole and streamed, sixteen at a time: a record each, and every ledger is the sum of its records."""
    deployments = [f"d{at}" for at in range(len(SAYS))]
    on_record = sum(len(gateway.records(each)) for each in deployments)
    before = gateway.server.counts("model_requests_total")
    with ThreadPoolExecutor(16) as threads:
        asking = [
            threads.submit(asked, gateway, each, streamed=streamed)
            for each in deployments
            for streamed in (False, True)
        ]
        told = Counter(each.result()[0] for each in asking)
    assert set(told) == {200, 400, 502, 503}
    counted = gateway.server.counts("model_requests_total") - before
    assert counted == {f'model_requests_total{{code="{each}",model_name="assistant"}}': told[each] for each in told}
    assert sum(len(gateway.records(each)) for each in deployments) == on_record + len(asking)
    for each in deployments:
        check_ledger(gateway, each)


def held(made: Gateway, deployment: str) -> int:
    """What is held of a budget."""
    ledger = Ledger(made.server.folder / "journal" / FOLDER)
    try:
        return ledger.state(f"{deployment}/ever")[1]
    finally:
        ledger.close()
