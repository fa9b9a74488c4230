"""What callers of chats and embeddings do wrong: told with its path and what to do, counted, and at no cost."""

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.core import Digest
from modelyard.generation import Price, PriceList
from modelyard.guards import GuardSet
from modelyard.inference import load_embedder
from modelyard.routing import ServingPolicy
from modelyard.serving.chat.budgets import FOLDER
from modelyard.serving.chat.ledger import Ledger
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .hostile import ANY_JSON, ODD_NUMBERS, ODD_STRINGS, mangled
from .test_chat import PROMPT, Gateway, live, raw, route

CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
SEND = {CHAT: 'Send {"model": "DEPLOYMENT", "messages": [', EMBED: 'Send {"model": "DEPLOYMENT", "input": ['}
LIMIT = 10**9


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server of applications, one with guards and one with a prompt, and of an embedder; all with a budget."""
    with faulty_upstream() as upstream:
        folder = tmp_path_factory.mktemp("bad")
        made = Gateway(folder, upstream)
        tiny = build_tiny(folder / "embedder")
        embedder = Digest(load_embedder(tiny).digest)
        made.server.feed.put_bundle(tiny, embedder)
        guards = GuardSet.model_validate({"guards": [{"guard": "personal_data"}]})
        made.publish(
            route("desk", live(made.bundle("answer"))),
            route("guarded", live(made.bundle("answer", guards=guards))),
            route("prompted", live(made.bundle("answer", prompt=PROMPT))),
            route("mini", live(embedder)),
            policy=ServingPolicy(log_text="full", budget_micros=LIMIT, budget_period="ever", rows_limit=2048),
            prices=PriceList({"answer": Price(10**6, 10**6)}),
        )
        made.server.start()
        yield made
        assert made.server.stop() == 0
        said = (made.server.folder / "server.log").read_text()
        assert "Traceback" not in said
        assert "failed" not in said


def chat(name: str, value: str | bytes, model: str = "desk") -> bytes:
    """A chat with this field, its value as JSON."""
    fields = {"model": f'"{model}"'.encode(), "messages": b'[{"role":"user","content":"x"}]'}
    fields[name] = value if isinstance(value, bytes) else value.encode()
    return b"{%b}" % b",".join(b'"%b":%b' % (each.encode(), told) for each, told in fields.items())


def message(name: str, value: str, role: str = "user") -> bytes:
    """A chat of one message with this field."""
    return chat(
        "messages",
        f'[{{"role":"{role}","content":"x","{name}":{value}}}]'.replace('"content":"x","content"', '"content"'),
    )


def part(value: str) -> bytes:
    """A chat with this part of a content."""
    return message("content", f"[{value}]")


def texts(name: str, value: str | bytes) -> bytes:
    """A request for vectors with this field, its value as JSON."""
    fields = {"model": b'"mini"', "input": b'"x"', name: value if isinstance(value, bytes) else value.encode()}
    return b"{%b}" % b",".join(b'"%b":%b' % (each.encode(), told) for each, told in fields.items())


WHOLE = chat("n", "1")
HUGE = "9" * 5000
DEEP = "[" * 40 + "]" * 40
MANY = [f'"{each:x}":""' for each in range(65_535)]
FUNCTION = '{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":%s}]}'

Case = tuple[bytes, int, str | None, str]
# fmt: off
_FIELDS: dict[str, tuple[str, ...]] = {
    "temperature": ("true", '"hot"', "[]", "NaN", "-Infinity", "1e400", "-0.1", "2.1", HUGE),
    "top_p": ("false", "1.1", "-1", "1e999"),
    "n": ("true", "0", "2", "1.5", '"1"'),
    "max_tokens": ("true", "0", "-1", "65", "1.5", "1e3", HUGE, "9" * 30),
    "max_completion_tokens": ("null,\"max_tokens\":0", "65", "{}"),
    "seed": ("true", "1.5", '"1"', HUGE),
    "stop": ("1", "[1]", "{}", "[null]"),
    "logprobs": ("1", '"yes"', "[]"),
    "top_logprobs": ("21", "-1", "true"),
    "presence_penalty": ("3", "NaN", "true"),
    "frequency_penalty": ("-3", '""'),
    "logit_bias": ("[]", '{"a":"b"}', '{"a":1e400}', "7"),
    "stream_options": ("true", "[]", '{"include_usage":1}', '{"usage":true}'),
    "metadata": ("[]", '{"a":1}', '{"a":null}', '"x"'),
    "user": ("7", "[]", '{"a":1}', f'"{"u" * 1001}"'),
    "store": ("1", '"x"'),
    "parallel_tool_calls": ("1", "{}"),
    "reasoning_effort": ("1", "[]"),
    "tools": ("{}", "[1]", '["x"]', "[{}]", '[{"type":1}]', '[{"type":"function","function":"f"}]',
              '[{"type":"function","function":{"name":7}}]', '[{"type":"function","function":{"parameters":[]}}]'),
    "tool_choice": ("1", "[]", "{}", '{"type":null}'),
    "response_format": ('"json"', "[]", "{}", '{"type":7}'),
    "variables": ("[]", '{"a":1}', "null"),
    "messages": ("{}", '"x"', "null", "[1]", '["x"]', "[null]", "[[]]"),
    "model": ("7", "{}", "[]", "true"),
    "modalities": ('["audio"]',),
}
# fmt: on
FIELDS: Sequence[Case] = [
    (chat(name, value), 400, "max_tokens" if "max_tokens" in value else name, "")
    for name, values in _FIELDS.items()
    for value in values
]
"""Wrong types and values in every field that OpenAI documents: `param` is the field, or what is in it."""

MESSAGES: Sequence[Case] = [
    (message("role", "7"), 400, "messages[0].role", "Expected"),
    (chat("messages", '[{"role":"usr","content":"x"}]'), 400, "messages[0].role", "Did you mean 'user'"),
    (chat("messages", '[{"content":"x"}]'), 400, "messages[0]", "`role`"),
    (message("content", "7"), 400, "messages[0].content", "Expected"),
    (message("content", "{}"), 400, "messages[0].content", "Expected"),
    (message("content", '["x"]'), 400, "messages[0].content[0]", "Expected"),
    (message("name", "7"), 400, "messages[0].name", "Expected"),
    (message("tool_call_id", "[]", "tool"), 400, "messages[0].tool_call_id", "Expected"),
    (message("tool_calls", "{}", "assistant"), 400, "messages[0].tool_calls", "Expected"),
    (message("contents", '"x"'), 400, "messages[0].contents", "Did you mean 'content'"),
    (part("{}"), 400, "messages[0].content[0]", '{"type": "text"'),
    (part('{"type":7,"text":"x"}'), 400, "messages[0].content[0].type", '{"type": "text"'),
    (part('{"type":"text","text":["jane@example.com"]}'), 400, "messages[0].content[0].text", '{"type": "text"'),
    (part('{"type":"text","text":"a"},{"type":"text","text":7}'), 400, "messages[0].content[1].text", "Expected"),
    (part('{"type":"image_url","image_url":{}}'), 400, "messages[0].content[0].image_url", '{"type": "text"'),
    (chat("messages", f"[{FUNCTION % '7'}]"), 400, "messages[0].tool_calls[0].function", '"arguments": "{}"'),
    (
        chat(
            "messages", f"[{FUNCTION % json.dumps({'name': 'f', 'arguments': {'to': 'jane@example.com'}})}]", "guarded"
        ),
        400,
        "messages[0].tool_calls[0].function.arguments",
        '"arguments": "{}"',
    ),
    (chat("messages", "[]"), 400, "messages", "empty"),
    (message("content", f'"{"x" * 1001}"'), 400, "messages", "Leave older messages out, or shorten them."),
    (chat("messages", f'[{{"role":"user","content":"{"x" * (1 << 20)}"}}]'), 413, None, "body_limit"),
]

BYTES: Sequence[Case] = [
    (b"", 400, None, SEND[CHAT]),
    (b" \n", 400, None, SEND[CHAT]),
    (b"null", 400, None, SEND[CHAT]),
    (b"[%b]" % WHOLE, 400, None, SEND[CHAT]),
    (WHOLE + b"x", 400, None, "trailing"),
    (WHOLE + WHOLE, 400, None, "trailing"),
    (WHOLE + b"\0", 400, None, "trailing"),
    (WHOLE[:-1], 400, None, "truncated"),
    (b"\xef\xbb\xbf" + WHOLE, 400, None, SEND[CHAT]),
    (WHOLE.decode().encode("utf-16"), 400, None, SEND[CHAT]),
    (WHOLE.decode().encode("utf-32"), 400, None, SEND[CHAT]),
    (gzip.compress(WHOLE), 400, None, SEND[CHAT]),
    (message("content", '"\\ud800"'), 400, "messages[0].content", "Send whole characters."),
    (
        chat("tools", '[{"type":"function","function":{"name":"\\udc00"}}]'),
        400,
        "tools[0].function.name",
        "whole characters",
    ),
    (chat("metadata", '{"\\ud800":"a"}'), 400, "metadata", "whole characters"),
    (message("content", '"X"').replace(b"X", b"\xe9"), 400, None, SEND[CHAT]),
    (message("content", '"X"').replace(b"X", b"\0"), 400, None, SEND[CHAT]),
    (chat("tools", DEEP), 400, None, "Send flatter lists"),
    (b"[" * 100_000, 400, None, "Send flatter lists"),
    (WHOLE.replace(b'"n"', b'"model":"desk","n"'), 400, "model", "Write each name once"),
    (chat("tools", '[{"type":"x","a":1,"\\u0061":2}]'), 400, "a", "Write each name once"),
    (chat("metadata", f"{{{','.join(MANY)},{MANY[-1]}}}"), 400, "fffe", "Write each name once"),
    (chat("tools", f'[{{"type":"x","a":{HUGE}}}]'), 400, "tools[0].a", "range"),
    (chat("x" * 100_000, "1"), 400, "x" * 200, "There are: frequency_penalty"),
]

NAMES: Sequence[Case] = [
    (chat("n", "1", name), 404, "model", "There are: desk, guarded, mini, prompted.")
    for name in (
        "d\u0435sk",
        "DESK",
        " desk",
        "desk\\u200b",
        "\\u202eksed",
        "desk\\u0000",
        "../desk",
        "",
        "x" * 500_000,
    )
] + [
    (chat("model", "null"), 404, "model", "Name it as 'model'"),
    (chat("n", "1", "mini"), 400, "model", "POST /v1/embeddings."),
    (chat("n", "1", "prompted"), 400, "variables.company", "There are: company."),
    (chat("variables", '{"compny":"x"}', "prompted"), 400, "variables.compny", "Did you mean 'company'"),
    (chat("variables", '{"a":"b"}'), 400, "variables.a", "leave them out"),
]

_INPUTS: dict[str, tuple[str | None, str]] = {
    "[]": ("input", SEND[EMBED]),
    '""': ("input", "Leave it out."),
    '["",""]': ("input[0]", "Leave it out."),
    '["a",""]': ("input[1]", "Leave it out."),
    "[1,2]": ("input[0]", "Send the text."),
    "[[1],[2]]": ("input[0]", "Send the text."),
    '["a",[]]': ("input[1]", "Send the text."),
    '[["a"]]': ("input[0][0]", "Expected"),
    "[null]": ("input[0]", "Expected"),
    "[true]": ("input[0]", "Expected"),
    "[1.5]": ("input[0]", "Expected"),
    "{}": ("input", "Expected"),
    "null": ("input", "Expected"),
    "7": ("input", "Expected"),
    '["a\\ud800"]': ("input[0]", "Send whole characters."),
    str([1] * 2049): ("input", "Send several requests."),
    json.dumps(["a"] * 2049): ("input", "Send several requests."),
    f'["a","{"a b " * 40}"]': ("input[1]", "Cut it in pieces"),
    "NaN": ("input", "malformed"),
}
VECTORS: Sequence[Case] = [(texts("input", value), 400, *told) for value, told in _INPUTS.items()] + [
    *((texts("dimensions", each), 400, "dimensions", "or send 32.") for each in ("0", "-1", "31", "1536", "9" * 30)),
    *((texts("dimensions", each), 400, "dimensions", "Expected") for each in ("32.5", "true", '"32"', "[32]")),
    *((texts("encoding_format", each), 400, "encoding_format", "nvalid") for each in ('"int8"', '""', '"BASE64"')),
    (texts("encoding_format", "7"), 400, "encoding_format", "Expected"),
    (texts("user", f'"{"u" * 1001}"'), 400, "user", "Send an id of whom you ask for"),
    (texts("user", "7"), 400, "user", "Expected"),
    (texts("model", "7"), 400, "model", "Expected"),
    (texts("model", '"m\u0456ni"'), 404, "model", "There are: desk, guarded, mini, prompted."),
    (texts("model", '"desk"'), 400, "model", "POST /v1/chat/completions."),
    (texts("inputs", '"b"'), 400, "inputs", "Did you mean 'input'"),
    (b'{"model":"mini"}', 400, None, "input"),
    (b'{"model":"mini","input":"a","input":"b"}', 400, "input", "Write each name once"),
    (b"\xef\xbb\xbf" + texts("user", '"x"'), 400, None, SEND[EMBED]),
    (texts("user", '"x"').decode().encode("utf-16"), 400, None, SEND[EMBED]),
    (texts("user", '"x"') + b"x", 400, None, "trailing"),
    (b"", 400, None, SEND[EMBED]),
    (texts("input", DEEP), 400, None, "Send flatter lists"),
    (texts("input", f'"{"a" * (1 << 20)}"'), 413, None, "body_limit"),
]

CHATS = (*FIELDS, *MESSAGES, *BYTES, *NAMES)
CASES = [(CHAT, *case) for case in CHATS] + [(EMBED, *case) for case in VECTORS]
CASES += [(CHAT, case[0].replace(b"{", b'{"stream":true,', 1), *case[1:]) for case in CHATS if case[0][:1] == b"{"]
"""Chats, texts, and chats that are to be streamed."""
REMEDIES = ("Send ", "There are: ", "This application takes ")
METRICS = ("model_requests_total", "model_prediction_errors_total", "llm_upstream_requests_total")
MODEL, NO_MODEL = 'model_name="assistant"', 'model_name=""'


BUDGETS = ("desk", "guarded", "prompted")


def states(gateway: Gateway) -> list[tuple[int, int]]:
    """What is spent and held of each budget."""
    ledger = Ledger(gateway.server.folder / "journal" / FOLDER)
    try:
        return [ledger.state(f"{name}/ever") for name in BUDGETS]
    finally:
        ledger.close()


def check(
    gateway: Gateway, path: str, body: bytes, status: int, param: str | None, says: str, headers: Any = None
) -> None:
    """Send it, and see that it is told in OpenAI's shape, counted once, asked of nobody, and that nothing is held."""
    before, asked, began = gateway.server.counts(*METRICS), len(gateway.upstream.bodies), time.monotonic()
    spent = states(gateway)
    got, answer = raw(gateway.server.port, body, path, headers)
    assert time.monotonic() - began < 2
    told = json.loads(answer)["error"]
    assert got == status, told
    assert set(told) == {"message", "type", "param", "code"}
    assert told["type"] == "invalid_request_error"
    if says:
        assert (told["param"], says in told["message"]) == (param, True), told
    else:
        assert str(told["param"]).startswith(str(param)), told
        assert any(remedy in told["message"] for remedy in REMEDIES), told
    assert len(gateway.upstream.bodies) == asked
    check_counted(gateway.server.counts(*METRICS) - before, body, status)
    assert states(gateway) == spent
    assert [held for _, held in spent] == [0, 0, 0]


def check_counted(counted: Counter[str], body: bytes, status: int) -> None:
    """Once, under the model that is asked; under none where nobody can read which, or there is none."""
    known = named(body) in ("desk", "guarded", "prompted", "mini") and status not in (413, 415)
    requests = f'model_requests_total{{code="{status}",{MODEL if known else NO_MODEL}}}'
    assert counted in ({requests: 1}, {requests: 1, f'model_prediction_errors_total{{kind="input",{MODEL}}}': 1})


class Named(msgspec.Struct):
    """What a body asks for, whatever else it says."""

    model: Any = None


def named(body: bytes) -> Any:
    """The deployment that a body names; None where it is no JSON."""
    try:
        return msgspec.json.decode(body, type=Named).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


@pytest.mark.parametrize(("path", "body", "status", "param", "says"), CASES, ids=range(len(CASES)))
def test_what_a_caller_does_wrong_is_told_with_its_path_and_remedy_counted_and_costs_nothing(
    gateway: Gateway, path: str, body: bytes, status: int, param: str | None, says: str
) -> None:
    """Chats, streams and texts."""
    check(gateway, path, body, status, param, says)


@pytest.mark.parametrize("path", [CHAT, EMBED])
@pytest.mark.parametrize(
    ("name", "value", "status", "param", "says"),
    [
        ("content-encoding", "gzip", 415, None, "Send it as it is."),
        ("x-modelyard-at", "soon", 400, "X-Modelyard-At", "Write 2013-04-01T12:00:00Z"),
        ("x-modelyard-at", "9999-12-31T23:59:59-23:59", 400, "X-Modelyard-At", "Write 2013-04-01T12:00:00Z"),
        ("x-modelyard-arm", "live", 400, "X-Modelyard-Arm", "Leave the header out"),
        ("x-entity-id", "x" * 1001, 400, "user", "Send an id of whom you ask for"),
    ],
)
def test_headers_that_cannot_be_are_no_less_told(
    gateway: Gateway, path: str, name: str, value: str, status: int, param: str | None, says: str
) -> None:
    """Before a body is looked at, and behind it."""
    body = WHOLE if path == CHAT else texts("input", '"a"')
    check(gateway, path, body, status, param, says, {name: value})


@pytest.mark.parametrize("path", [CHAT, EMBED])
def test_a_deployment_that_the_path_names_is_the_one_that_is_counted(gateway: Gateway, path: str) -> None:
    """Whatever the body says; one that there is not is no model's."""
    before = gateway.server.counts("model_requests_total")
    assert raw(gateway.server.port, b"{}", f"/deployments/mini{path}")[0] == 400
    assert raw(gateway.server.port, b'{"model":"mini"}', f"/deployments/minni{path}")[0] == 400
    known, unknown = (f'model_requests_total{{code="400",{each}}}' for each in (MODEL, NO_MODEL))
    assert gateway.server.counts("model_requests_total") - before == Counter({known: 1, unknown: 1})


def test_null_is_what_openai_lets_it_be(gateway: Gateway) -> None:
    """Nothing: of `stream`, and of every parameter that need not be there."""
    names = ("stream", "temperature", "stop", "tools", "tool_choice", "response_format", "user", "metadata", "n")
    status, told = gateway.ask("mini", **dict.fromkeys(names))
    assert (status, told["error"]["param"]) == (400, "model")  # it is read to its end


_VALUES = st.one_of(
    ANY_JSON.map(json.dumps),
    st.sampled_from([*ODD_NUMBERS, *ODD_STRINGS]),
    st.sampled_from([value for values in _FIELDS.values() for value in values]),
    st.sampled_from(['"x"', "null", "1", "0.5", "true", '{"type":"text","text":"x"}', '{"role":"user","content":"x"}']),
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A path, and a body with an odd value in one of its places; whole, or mangled."""
    path = draw(st.sampled_from((CHAT, CHAT, CHAT, EMBED)))
    value = draw(_VALUES)
    if path == EMBED:
        places = [texts(name, value) for name in ("input", "dimensions", "encoding_format", "user", "model")]
        places.append(texts("input", f'["x",{value}]'))
    else:
        model = draw(st.sampled_from(("desk", "desk", "guarded", "prompted")))
        places = [chat(name, value, model) for name in (*_FIELDS, "stream")]
        places += [message(name, value) for name in ("role", "content", "name", "tool_calls", "tool_call_id")]
        places += [part(value), part(f'{{"type":"text","text":{value}}}'), chat("messages", f"[{value}]", model)]
        places += [
            chat("tools", f"[{value}]", model),
            chat("tools", f'[{{"type":"function","function":{value}}}]', model),
        ]
        places += [chat("messages", f"[{FUNCTION % value}]", model), chat("variables", f'{{"company":{value}}}', model)]
    body = draw(st.sampled_from(places))
    return path, draw(mangled(body)) if draw(st.integers(0, 5)) == 0 else body


def test_of_any_value_in_any_place_nothing_is_a_fault_of_ours_and_all_is_counted(gateway: Gateway) -> None:
    """No 5xx, no hang; each once, and the ledger of each deployment is the sum of its records."""
    before, sent = gateway.server.counts("model_requests_total"), Counter[str]()

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(bodies())
    def send(given: tuple[str, bytes]) -> None:
        path, body = given
        status, answer = raw(gateway.server.port, body, path)
        assert status in (200, 400, 404, 413), (status, answer)
        assert status == 200 or set(json.loads(answer)["error"]) == {"message", "type", "param", "code"}
        sent[str(status)] += 1

    send()
    assert min(sent["200"], sent["400"]) > 15
    counted = Counter[str]()
    for sample, count in (gateway.server.counts("model_requests_total") - before).items():
        counted[sample.partition('code="')[2][:3]] += count
    assert counted == sent
    costs = [sum(each.cost_micros or 0 for _, each in gateway.records(name)) for name in BUDGETS]
    assert states(gateway) == [(each, 0) for each in costs]
