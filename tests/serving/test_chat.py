"""Chats over a real server, with an upstream that goes wrong in every way there is."""

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from modelyard.core import Digest
from modelyard.generation import (
    Alike,
    Application,
    Judges,
    Message,
    Pinned,
    Price,
    PriceList,
    Prompt,
    Retrieval,
    Sampling,
    Target,
    Upstream,
)
from modelyard.guards import GuardSet
from modelyard.journal import Generated, PredictionRecord, read_segment, segments
from modelyard.llm import application_bundle, prompt_bundle
from modelyard.routing import DEFAULT_POLICY, Arm, Feed, KeyEntry, Route, ServingPolicy
from modelyard.testing import FaultyUpstream, faulty_upstream

from .harness import Server

PROMPT = Prompt((Message("system", "You answer for {{company}}."),))
PRICES = PriceList(
    {
        "answer": Price(150_000, 600_000, 75_000),
        "no-usage": Price(0, 1_000_000),
        "endless": Price(150_000, 600_000),
        "hang": Price(150_000, 600_000),
    }
)
TEXT = "Grüße an 世界 and 🌍 today"


class Gateway:
    """A server of applications, one for each fault of the upstream."""

    def __init__(self, folder: Path, upstream: FaultyUpstream, options: tuple[str, ...] = ()) -> None:
        self.server = Server(folder, options=options)
        self.upstream = upstream
        self._folder = folder
        self.revision = 0
        self._arms: dict[str, Digest] = {}

    def bundle(
        self,
        *models: str,
        prompt: Prompt | None = None,
        upstreams: tuple[str, ...] = ("one",),
        guards: GuardSet | None = None,
        retrieval: Retrieval | None = None,
        alike: Alike | None = None,
        judges: Judges | None = None,
        deadline: float = 20.0,
    ) -> Digest:
        """An application of models, the later ones for when the earlier cannot answer."""
        folder = self._folder / f"bundle-{len(self._arms)}"
        pinned = None
        if prompt is not None:
            digest = prompt_bundle(self._folder / f"prompt-{len(self._arms)}", "p", prompt)
            pinned = Pinned("p", 1, digest)
        targets = tuple(Target(name, model) for model in models for name in upstreams)
        application = Application(
            targets,
            pinned,
            guards=None if guards is None else guards.digest,
            sampling=Sampling(64, 0.5),
            deadline_seconds=deadline,
            longest_input=1000,
            retrieval=retrieval,
            alike=alike,
            judges=judges,
        )
        document = None if guards is None else guards.document
        digest = application_bundle(folder, "assistant", application, prompt, document)
        self.server.feed.put_bundle(folder, digest)
        self._arms[str(folder)] = digest
        return digest

    def publish(
        self,
        *routes: Route,
        policy: ServingPolicy = DEFAULT_POLICY,
        others: Mapping[str, ServingPolicy] = MappingProxyType({}),
        prices: PriceList = PRICES,
        **more: Any,
    ) -> None:
        """Publish routes as the next feed, with one policy for all but `others`."""
        self.revision += 1
        patient = Upstream(self.upstream.url, failures=1000, prices=prices)
        hasty = msgspec.structs.replace(patient, silent_seconds=0.3)
        told = {"one": msgspec.to_builtins(patient), "hasty": msgspec.to_builtins(hasty)}
        policies = {each.deployment: others.get(each.deployment, policy) for each in routes}
        self.server.feed.publish(Feed(self.revision, routes, policies=policies, upstreams=told, **more))

    def records(self, deployment: str) -> list[tuple[PredictionRecord, Generated]]:
        """What is on record of a deployment."""
        found = [
            record
            for segment in segments(self.server.folder / "journal", "predictions")
            for record in read_segment(segment).records
            if isinstance(record, PredictionRecord) and record.deployment == deployment
        ]
        return [(each, msgspec.json.decode(each.generated, type=Generated)) for each in found]

    def ask(self, deployment: str, **more: Any) -> tuple[int, Any]:
        """Ask for an answer in one piece."""
        told = {"model": deployment, "messages": [{"role": "user", "content": TEXT}], **more}
        return self.server.post("/v1/chat/completions", told, {})

    def stream(self, deployment: str, **more: Any) -> tuple[int, list[Any]]:
        """Ask for a stream; status, and the data of its events."""
        told = {"model": deployment, "messages": [{"role": "user", "content": TEXT}], "stream": True, **more}
        return raw_events(self.server.port, told)


def raw_events(port: int, told: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[int, list[Any]]:
    """Ask for a stream; status, and the data of its events."""
    status, body = raw(port, json.dumps(told).encode(), headers=headers)
    if status != 200:
        return status, [json.loads(body)]
    events = [each.removeprefix("data: ") for each in body.decode().split("\n\n") if each]
    return status, [each if each == "[DONE]" else json.loads(each) for each in events]


def raw(
    port: int, body: bytes, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """POST bytes, and read the whole answer."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def text_of(events: list[Any]) -> str:
    """The text of a stream."""
    return "".join(
        choice["delta"].get("content") or ""
        for each in events
        if each != "[DONE]"
        for choice in each.get("choices", [])
    )


def live(digest: Digest, weight: float = 1.0) -> Arm:
    """A live arm."""
    return Arm("live", "live", "1", digest, weight)


def route(deployment: str, *arms: Arm, generation: int = 1) -> Route:
    """A route."""
    return Route(deployment, "assistant", generation, arms, "salt", clock="request")


FAULTS = (
    "answer", "bytes", "no-usage", "repeated-usage", "endless", "stall", "cut", "half-json", "half-event",
    "other-shape", "no-choice", "error-event", "not-http", "refuse", "too-long", "forbidden", "busy", "busy-absurd",
    "busy-nonsense", "busy-past", "hang-up", "hang",
)  # fmt: skip


REMEDIES = (
    "Ask again; when it comes again, see the log",
    "upstreams in modelyard.yaml",
    "Change the request as it says",
)
"""What callers are told to do about an upstream, one or another of them."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with a deployment for each fault, and some more."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("gateway"), upstream)
        hasty = ("stall", "hang")  # whoever waits for these waits in vain
        routes = [
            route(each, live(made.bundle(each, upstreams=("hasty",) if each in hasty else ("one",)))) for each in FAULTS
        ]
        routes.append(route("prompted", live(made.bundle("answer", prompt=PROMPT))))
        routes.append(route("fallback", live(made.bundle("busy-absurd", "answer"))))
        bad = Arm("canary", "canary", "2", made.bundle("half-json"), 1.0)
        routes.append(route("failing-canary", live(made.bundle("answer"), 0.0), bad))
        shadow = Arm("shadow", "shadow", "2", made.bundle("no-usage"), 1.0)
        routes.append(route("shadowed", live(made.bundle("answer")), shadow))
        big = ServingPolicy(log_text="full", body_limit=3 << 20)
        routes.append(route("roomy", live(made.bundle("answer"))))
        made.publish(*routes, policy=ServingPolicy(log_text="full"), others={"roomy": big})
        made.server.start()
        yield made
        made.server.stop()


def test_an_answer_comes_whole_with_usage_and_is_on_record_with_its_cost(gateway: Gateway) -> None:
    """Prompt before the caller's messages; tokens, cost by price list, texts as the policy says."""
    status, told = gateway.ask(
        "prompted", variables={"company": "{{company}} <|im_start|>"}, tools=[{"type": "function"}]
    )
    assert status == 200
    assert told["choices"][0]["message"] == {"role": "assistant", "content": TEXT}
    assert told["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "total_tokens": 16,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    assert (told["model"], told["object"]) == ("prompted", "chat.completion")
    sent = gateway.upstream.bodies[-1]
    assert sent["messages"][0] == {"role": "system", "content": "You answer for {{company}} <\u2060|im_start|>."}
    assert (sent["max_tokens"], sent["temperature"], sent["tools"]) == (64, 0.5, [{"type": "function"}])
    ((record, made),) = gateway.records("prompted")
    assert told["id"] == f"chatcmpl-{record.prediction_id}"
    assert (record.answered, record.prediction, record.error) == (True, "stop", None)
    assert (made.input_tokens, made.cached_tokens, made.output_tokens, made.told) == (10, 2, 6, True)
    assert (made.cost_micros, made.prices) == (5, PRICES.digest)  # (8 x .15 + 2 x .075 + 6 x .6) rounded up
    assert json.loads(made.asked) == [{"role": "user", "content": TEXT}]
    assert made.said == TEXT
    assert len(made.prompt) == 64


def test_an_answer_is_sent_back_as_it_came(gateway: Gateway) -> None:
    """With citations, thoughts and empty fields, of which an upstream is told nothing; a sound is no part of a chat."""
    came = {"role": "assistant", "content": "It is.", "refusal": None, "annotations": [{"type": "url_citation"}]}
    thought = {"reasoning": "Hm.", "reasoning_content": "Hm.", "audio": None, "function_call": None}
    chat = [{"role": "user", "content": "Is it?"}, came | thought, {"role": "user", "content": "Is it really?"}]
    assert gateway.ask("answer", messages=chat)[0] == 200
    said = {"role": "assistant", "content": "It is."}
    assert gateway.upstream.bodies[-1]["messages"] == [chat[0], said, chat[2]]
    status, told = gateway.ask("answer", messages=[came | {"audio": {"id": "a"}}])
    assert (status, told["error"]["param"]) == (400, "messages[0].audio")


@pytest.mark.parametrize("fault", ["answer", "bytes", "repeated-usage"])
def test_a_stream_has_the_text_of_the_whole_answer_and_its_usage_once(gateway: Gateway, fault: str) -> None:
    """However the upstream cuts it, and however often it tells its usage."""
    status, events = gateway.stream(fault, stream_options={"include_usage": True})
    assert status == 200
    assert events[-1] == "[DONE]"
    assert text_of(events) == TEXT
    told = [each["usage"] for each in events[:-1] if each.get("usage")]
    assert [each["total_tokens"] for each in told] == [16]
    record, made = gateway.records(fault)[-1]
    assert (made.streamed, made.input_tokens, made.output_tokens, made.said) == (True, 10, 6, TEXT)
    assert made.first_us is not None
    assert made.first_us <= record.latency_us


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("cut", 502, "upstream_broken"),
        ("half-json", 502, "upstream_broken"),
        ("other-shape", 502, "upstream_broken"),
        ("no-choice", 502, "upstream_broken"),
        ("not-http", 502, "upstream_broken"),
        ("forbidden", 502, "upstream_broken"),
        ("stall", 502, "upstream_broken"),
        ("refuse", 400, "upstream_refused"),
        ("too-long", 400, "context_length_exceeded"),
        ("busy", 503, "upstream_unavailable"),
        ("busy-absurd", 502, "upstream_broken"),
        ("busy-nonsense", 502, "upstream_broken"),
        ("busy-past", 502, "upstream_broken"),
        ("hang-up", 503, "upstream_unavailable"),
        ("hang", 503, "upstream_unavailable"),
    ],
)
def test_an_upstream_that_fails_is_an_error_in_openais_shape_and_counted(
    gateway: Gateway, fault: str, status: int, code: str
) -> None:
    """Each is on record and says what to do, and none hangs."""
    got, told = gateway.ask(fault)
    assert (got, told["error"]["code"]) == (status, code)
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["type"] == ("invalid_request_error" if status == 400 else "server_error")
    assert any(remedy in told["error"]["message"] for remedy in REMEDIES), told
    record, _ = gateway.records(fault)[-1]
    assert not record.answered
    assert record.error is not None
    assert gateway.server.metric("model_requests_total", model_name="assistant", code=str(status)) > 0


@pytest.mark.parametrize("fault", ["cut", "half-event", "error-event", "other-shape", "stall"])
def test_a_stream_that_breaks_ends_with_an_error_event(gateway: Gateway, fault: str) -> None:
    """What came before is there, `[DONE]` is not, and nothing hangs."""
    status, events = gateway.stream(fault)
    if status == 200:
        assert text_of(events) in ("Grüße", "")
        assert "[DONE]" not in events
    assert set(events[-1]["error"]) == {"message", "type", "param", "code"}
    assert "Ask again; when it comes again, see the log of the upstream" in events[-1]["error"]["message"]
    record, made = gateway.records(fault)[-1]
    assert record.error in ("invalid_output", "model")
    assert not made.told  # nobody said how many tokens there were: the most there can have been


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        (b'{"model":"nope","messages":[]}', 404, "model", "There are: "),
        (b'{"messages":[]}', 404, "model", "Name it as 'model'. There are: "),
        (b'{"model":7,"messages":[]}', 400, "model", "Expected"),
        (b'{"model":"answr","messages":[]}', 404, "model", "Did you mean 'answer'"),
        (b'{"model":"answer","messages":[]}', 400, "messages", "empty"),
        (b'{"model":"answer","messages":[{"role":"usr","content":"x"}]}', 400, "messages[0].role", "'user'"),
        (b'{"model":"answer","mesages":[]}', 400, "mesages", "Did you mean 'messages'"),
        (b'{"model":"answer","messages":[],"temprature":1}', 400, "temprature", "Did you mean 'temperature'"),
        (b'{"model":"answer","messages":[],"temperature":NaN}', 400, "temperature", "malformed"),
        (b'{"model":"answer","messages":[],"temperature":-Infinity}', 400, "temperature", "malformed"),
        (b'{"model":"answer","messages":[],"temperature":1e999}', 400, "temperature", "out of range"),
        (b'{"model":"answer","messages":[],"temperature":3}', 400, "temperature", "from 0 to 2"),
        (b'{"model":"answer","messages":[],"temperature":"hot"}', 400, "temperature", "Expected"),
        (b'{"model":"answer","messages":[{"role":"user","content":7}]}', 400, "messages[0].content", "Expected"),
        (b'{"model":"answer","messages":[{"role":"user","content":"x"}],"max_tokens":0}', 400, "max_tokens", "1 to 64"),
        (
            b'{"model":"answer","messages":[{"role":"user","content":"x"}],"max_tokens":65}',
            400,
            "max_tokens",
            "1 to 64",
        ),
        (b'{"model":"answer","messages":[],"n":2}', 400, "n", "Send 1"),
        (b'{"model":"answer","model":"answer","messages":[]}', 400, "model", "twice"),
        (b'{"model":"answer"}', 400, None, "messages"),
        (b'{"model":"answer","messages":[', 400, None, "truncated"),
        (b"[" * 5000, 400, None, "deeper"),
        (b"\xff\xfe", 400, None, "body"),
        (b'{"model":"answer","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 1001), 400, "messages", "1001"),
        (
            b'{"model":"answer","messages":[{"role":"user","content":"%b"}]}' % (b"x" * (1 << 20)),
            413,
            "messages",
            "raise deployments.answer.serving.body_limit",
        ),
        (b'{"model":"roomy","messages":[],"user":"%b"}' % (b"x" * (3 << 20)), 413, None, "larger than 3145728 bytes"),
        (b'{"model":"prompted","messages":[{"role":"user","content":"x"}]}', 400, "variables.company", "company"),
        (
            b'{"model":"answer","messages":[{"role":"user","content":"x"}],"variables":{"a":"b"}}',
            400,
            "variables.a",
            "no variables",
        ),
    ],
)
def test_bad_input_is_told_with_its_path_and_what_to_do(
    gateway: Gateway, body: bytes, status: int, param: str | None, says: str
) -> None:
    """No upstream is asked, and it is counted."""
    before, counted = len(gateway.upstream.bodies), refused(gateway)
    got, said = raw(gateway.server.port, body)
    told = json.loads(said)["error"]
    assert (got, told["param"]) == (status, param), told
    assert says in told["message"]
    assert told["type"] == "invalid_request_error"
    assert len(gateway.upstream.bodies) == before
    assert refused(gateway) == counted + 1


def refused(gateway: Gateway) -> float:
    """Chats that were the callers' fault, of deployments that are known and not."""
    page = gateway.server.get("/metrics", port=gateway.server.metrics_port)[1].splitlines()
    return sum(float(line.split()[-1]) for line in page if line.startswith('model_requests_total{code="4'))


def test_a_large_body_takes_the_long_way_and_comes_to_the_same(gateway: Gateway) -> None:
    """Beyond what is taken whole: an answer, a stream, an error."""
    padding = {"metadata": {"note": "x" * 70_000}}
    assert gateway.ask("answer", **padding)[1]["choices"][0]["message"]["content"] == TEXT
    status, events = gateway.stream("answer", **padding)
    assert (status, text_of(events), events[-1]) == (200, TEXT, "[DONE]")
    status, told = gateway.ask("busy", **padding)
    assert (status, told["error"]["code"]) == (503, "upstream_unavailable")
    status, events = gateway.stream("cut", **padding)
    assert (status, "error" in events[-1]) == (200, True)


def test_a_deployment_takes_as_large_a_body_as_it_says_beside_others_that_take_less(gateway: Gateway) -> None:
    """Which one is asked stands in the body, which is read as far as any of them would take it."""
    padding = {"metadata": {"note": "x" * (2 << 20)}}
    assert gateway.ask("roomy", **padding)[0] == 200
    status, told = gateway.ask("answer", **padding)
    assert (status, told["error"]["param"], told["error"]["code"]) == (413, "messages", "too_large")
    body = json.dumps({"messages": [], **padding}).encode()
    status, said = raw(gateway.server.port, body, "/deployments/answer/v1/chat/completions")
    assert (status, "larger than 1048576 bytes" in json.loads(said)["error"]["message"]) == (413, True)


@pytest.mark.parametrize("size", [900, 90_000])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
def test_who_leaves_while_he_sends_is_counted_as_one_who_left(gateway: Gateway, path: str, size: int) -> None:
    """By the short way of small bodies and by the long one: it is nobody's mistake."""

    def left() -> float:
        return gateway.server.metric("model_requests_total", model_name="assistant", code="499")

    before, mistakes = left(), refused(gateway)
    with socket.create_connection(("127.0.0.1", gateway.server.port)) as caller:
        head = f"POST /deployments/answer{path} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n\r\n"
        caller.sendall(head.encode() + b"{" + b" " * (size // 2))
    gateway.server.until(lambda: left() == before + 1)
    assert refused(gateway) == mistakes + 1  # of the page's codes that begin with 4 it is one


def test_another_upstream_answers_when_the_first_cannot(gateway: Gateway) -> None:
    """And the record says which."""
    assert gateway.ask("fallback")[0] == 200
    _, made = gateway.records("fallback")[-1]
    assert made.model == "answer"


def test_live_answers_when_a_canary_fails_and_both_are_on_record(gateway: Gateway) -> None:
    """The failing arm is charged, the caller sees nothing of it, also when he has it streamed."""
    assert gateway.ask("failing-canary")[1]["choices"][0]["message"]["content"] == TEXT
    made = [(record.arm, record.answered, record.error) for record, _ in gateway.records("failing-canary")]
    assert made == [("canary", False, "invalid_output"), ("live", True, None)]


def test_a_shadow_answers_a_copy_that_nobody_sees(gateway: Gateway) -> None:
    """Under the same prediction id."""
    assert gateway.ask("shadowed")[0] == 200
    gateway.server.until(lambda: len(gateway.records("shadowed")) == 2)
    made = {record.role: (record.answered, record.prediction_id) for record, _ in gateway.records("shadowed")}
    assert made["live"][0]
    assert not made["shadow"][0]
    assert made["live"][1] == made["shadow"][1]


def test_callers_who_leave_stop_the_upstream(gateway: Gateway) -> None:
    """A hundred streams, hung up on: every one of the upstream's ends, and each is on record as left."""
    before = gateway.upstream.left
    told = {"model": "endless", "messages": [{"role": "user", "content": "a b"}], "stream": True}
    body = json.dumps(told).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    callers = []
    for _ in range(100):
        caller = socket.create_connection(("127.0.0.1", gateway.server.port))
        caller.sendall(request)
        callers.append(caller)
    gateway.server.until(lambda: gateway.upstream.streams == 100)
    for caller in callers:
        assert caller.recv(16).startswith(b"HTTP/1.1 200")
        caller.close()
    gateway.server.until(lambda: gateway.upstream.streams == 0 and gateway.upstream.left - before == 100)
    gateway.server.until(lambda: len(gateway.records("endless")) == 100)
    assert {record.prediction for record, _ in gateway.records("endless")} == {"left"}
    assert {record.error for record, _ in gateway.records("endless")} == {None}


def test_models_are_the_deployments_that_take_chats(gateway: Gateway) -> None:
    """As OpenAI lists them; `/predict` says where they are asked."""
    status, body = gateway.server.get("/v1/models")
    assert status == 200
    assert {each["id"] for each in json.loads(body)["data"]} >= {"answer", "prompted"}
    status, told = gateway.server.post("/deployments/answer/predict", {"features": [1.0]})
    assert (status, "/v1/chat/completions" in told["error"]["remedy"]) == (400, True)
    status, told = gateway.server.post(
        "/deployments/answer/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}
    )
    assert (status, told["model"]) == (200, "answer")


def test_health_and_readiness_know_applications(gateway: Gateway) -> None:
    """They are loaded like any arm."""
    assert gateway.server.get("/ready")[0] == 200
    assert all(each.loaded for status in gateway.server.statuses() for each in status.arms)
    assert gateway.server.metric("llm_tokens_total", model_name="assistant", kind="output") > 0
    assert gateway.server.metric("llm_cost_micros_total", model_name="assistant") > 0


def test_keys_are_asked_for_and_hold_for_their_deployments(tmp_path: Path) -> None:
    """Without a key 401, with one for another deployment 403, and the list shows what a key may ask."""
    from modelyard.access import Role, load_pepper, mint_key
    from modelyard.core import Micros

    pepper = tmp_path / "pepper"
    token, stored = mint_key(
        "k", Role.SERVICE, load_pepper(pepper), now=Micros(0), created_by="t", deployments=("mine",)
    )
    entry = KeyEntry(stored.key_id, stored.digest, "service", ("mine",))
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream)
        made.server = Server(tmp_path, options=(f"--pepper={pepper}",))
        digest = made.bundle("answer")
        made.publish(route("mine", live(digest)), route("other", live(digest)), keys=(entry,), authentication=True)
        made.server.start()
        told = {"messages": [{"role": "user", "content": "x"}]}
        bearer = {"Authorization": f"Bearer {token}"}
        status, body = made.server.post("/v1/chat/completions", {**told, "model": "mine"})
        assert (status, body["error"]["type"]) == (401, "authentication_error")
        status, body = made.server.post("/v1/chat/completions", {**told, "model": "other"}, bearer)
        assert (status, body["error"]["type"]) == (403, "permission_error")
        assert made.server.post("/v1/chat/completions", {**told, "model": "mine"}, bearer)[0] == 200
        assert made.server.stop() == 0


def test_a_long_chat_is_one_request_to_who_counts_them(tmp_path: Path) -> None:
    """As a short one is: of two a second four may come at once, and who comes then is told so as OpenAI does."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream, options=("--per-source=2",))
        made.publish(route("desk", live(made.bundle("answer"))))
        made.server.start()
        padding = {"metadata": {"note": "x" * 70_000}}
        assert [made.ask("desk", **padding)[0] for _ in range(4)] == [200] * 4
        status, told = 200, dict[str, Any]()
        while status == 200:
            status, told = made.ask("desk", **padding)
        assert (status, told["error"]["type"], told["error"]["code"]) == (429, "rate_limit_error", "rate_limited")
        assert "Wait a second" in told["error"]["message"]
        assert made.server.metric("model_requests_total", code="429") == 1
        assert made.server.stop() == 0
