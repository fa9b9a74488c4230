"""Whatever stands where in an upstream's answer: an answer or an error, a record, and the money that it says."""

import json
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.generation import Price, PriceList
from modelyard.routing import ServingPolicy
from modelyard.testing import faulty_upstream

from .hostile import ANY_JSON, ODD_NUMBERS, ODD_STRINGS, mangled
from .test_bad_upstreams import DONE, GUARDS, check_ledger, http, stream
from .test_chat import Gateway, live, raw, route

_ODD = st.one_of(ANY_JSON.map(json.dumps), st.sampled_from([*ODD_NUMBERS, *ODD_STRINGS, '""', "null", "0", '"stop"']))
_CALLS = {"index": "0", "id": '"1"', "function": {"name": '"f"', "arguments": '"call 555 1234"'}}
_WHOLE = {
    "choices": {
        "index": "0",
        "message": {"role": '"assistant"', "content": '"mail jane@example.com"', "tool_calls": _CALLS},
        "finish_reason": '"stop"',
        "logprobs": "null",
    },
    "usage": {
        "prompt_tokens": "30",
        "completion_tokens": "20",
        "prompt_tokens_details": {"cached_tokens": "10"},
    },
    "model": '"m"',
    "error": "null",
}
_LISTS = ("choices", "tool_calls")


@st.composite
def written(draw: st.DrawFn, kind: str, finish: str) -> bytes:
    """An answer or a piece of one as JSON, now and then with an odd value in one of its places."""

    def write(name: str, value: object) -> str:
        if draw(st.integers(0, 25)) == 0:
            return draw(_ODD)
        if name == "finish_reason":
            return finish
        if not isinstance(value, dict):
            return str(value)
        inside = ",".join(f'"{kind if each == "message" else each}":{write(each, of)}' for each, of in value.items())
        return f"[{{{inside}}}]" if name in _LISTS else f"{{{inside}}}"

    return write("", _WHOLE).encode()


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """What an upstream says, whole and streamed; now and then cut, doubled, or in other bytes."""
    pieces = [draw(written("delta", "null")) for _ in range(draw(st.integers(0, 3)))] + [
        draw(written("delta", '"stop"'))
    ]
    end = draw(st.sampled_from((b"\n\n", b"\r\n\r\n", b"\r\r")))
    streamed = b"".join(b"data: %b%b" % (each, end) for each in pieces) + draw(st.sampled_from((DONE, b"")))
    whole = draw(written("message", '"stop"'))
    if draw(st.integers(0, 10)) == 0:
        streamed = draw(mangled(streamed))
    status = draw(st.sampled_from((*[200] * 20, 400, 500)))
    return http(whole, status), stream(streamed)


def test_of_any_answer_of_an_upstream_nothing_is_a_fault_of_ours_and_all_is_on_record(tmp_path: Path) -> None:
    """With guards and without, redacted on record, kept, and streamed."""
    with faulty_upstream() as upstream:
        made, sent, told = Gateway(tmp_path, upstream), 0, Counter[int]()
        plain, guarded = live(made.bundle("any")), live(made.bundle("any", guards=GUARDS))
        policy = ServingPolicy(log_text="full", budget_micros=10**12, budget_period="ever")
        discreet = ServingPolicy(log_text="redacted", budget_micros=10**12, budget_period="ever", cache_answers=9)
        made.publish(
            *(route(name, arm) for name, arm in (("plain", plain), ("guarded", guarded), ("discreet", guarded))),
            policy=policy,
            others={"discreet": discreet},
            prices=PriceList({"any": Price(10**6, 10**6, 10**5)}),
        )
        made.server.start()

        @settings(
            max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(answers(), st.sampled_from(("plain", "guarded", "discreet")), st.booleans())
        def ask(says: tuple[bytes, bytes], name: str, streamed: bool) -> None:
            nonlocal sent
            sent += 1
            upstream.says["any"] = says
            asked = {"model": name, "stream": streamed, "messages": [{"role": "user", "content": f"Number {sent}?"}]}
            status, answer = raw(made.server.port, json.dumps(asked).encode())
            assert status in (200, 400, 502, 503), (status, answer)
            assert b'"code":"internal"' not in answer
            told[status] += 1

        ask()
        assert min(told[200], told[502]) > 20
        for name in ("plain", "guarded", "discreet"):
            check_ledger(made, name)
        assert sum(len(made.records(name)) for name in ("plain", "guarded", "discreet")) == sent
        assert made.server.stop() == 0
        assert "Traceback" not in (tmp_path / "server.log").read_text()
