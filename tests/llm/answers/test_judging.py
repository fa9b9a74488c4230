"""A judge is blind, asked once for each different answer, and read strictly."""

from collections.abc import Iterator
from typing import Any

import pytest

from modelyard.core import Digest, InvalidInput, ManualClock
from modelyard.generation import Message, Price, PriceList, Prompt, Target, Upstream
from modelyard.llm.answers import VERDICT_SCHEMA, Answer, Judge, Judgment, judge_answers
from modelyard.testing import FaultyUpstream, faulty_upstream

from ...conftest import NOON
from .made import answer, chunks, suite_of

PASS, FAIL = '{"verdict": "pass", "reason": "right"}', '{"verdict":"fail","reason":"wrong"}'
ECHO = Prompt((Message("system", "Judge what answers {{question}}"), Message("user", "{{answer}}")))


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """An upstream that repeats the answer that is judged: an answer says itself what the verdict on it is."""
    with faulty_upstream() as running:
        yield running


def judge_of(model: str = "answer", prompt: Prompt = ECHO, deadline: float = 20.0) -> Judge:
    """A judge of the upstream's model."""
    return Judge("prompts:/judge/1", Digest("a" * 64), prompt, Target("here", model), deadline)


def judged(upstream: FaultyUpstream, judge: Judge, *answers: Answer, **case: Any) -> dict[str, Judgment]:
    """What is said of answers to a case."""
    suite = suite_of({"id": "a", "question": "?", **case}, {"id": "b", "question": "?"})
    prices = PriceList({"answer": Price(1_000_000, 1_000_000)})
    declared = Upstream(upstream.url, retries=0, failures=1000, prices=prices)
    return judge_answers(judge, suite.cases, answers, declared, ManualClock(NOON), {})


def test_verdicts_are_read_from_json_of_the_schema_alone(upstream: FaultyUpstream) -> None:
    """Half a JSON, prose around it, another word, a field more: each is an error that says so, and no verdict."""
    wrong = [
        "", "pass", '"pass"', PASS[:-1], PASS[: len(PASS) // 2], f"Sure! {PASS}", f"```json\n{PASS}\n```",
        f"{PASS} {PASS}", '{"verdict": "PASS", "reason": ""}', '{"verdict": "pass"}', '{"verdict": true, "reason": ""}',
        '{"verdict": "pass", "reason": "", "score": 1}', '{"verdict": null, "reason": ""}', "[]", "NaN", "[" * 5000,
    ]  # fmt: skip
    answers = [answer("a", text) for text in (PASS, FAIL, *wrong)]
    found = judged(upstream, judge_of(), *answers)
    assert found[answers[0].item].passed is True
    assert (found[answers[1].item].passed, found[answers[1].item].reason) == (False, "wrong")
    for each in answers[2:]:
        assert found[each.item].passed is None, each.text
        assert "no verdict" in found[each.item].error
    assert (found[answers[1].item].cost_micros or 0) > 0


@pytest.mark.parametrize("fault", ["half-json", "cut", "other-shape", "no-choice", "busy", "refuse", "hang-up", "tool"])
def test_an_upstream_that_fails_gives_no_verdict(upstream: FaultyUpstream, fault: str) -> None:
    """And the reason is told."""
    (found,) = judged(upstream, judge_of(fault), answer("a", PASS)).values()
    assert (found.passed, bool(found.error)) == (None, True)


@pytest.mark.parametrize("fault", ["hang", "stall"])
def test_a_judge_that_is_late_gives_no_verdict(upstream: FaultyUpstream, fault: str) -> None:
    """Before the first byte or in the middle: nobody waits longer than the deadline."""
    (found,) = judged(upstream, judge_of(fault, deadline=0.2), answer("a", PASS)).values()
    assert found.passed is None
    assert found.error


def test_a_judge_is_told_nothing_of_whose_an_answer_is(upstream: FaultyUpstream) -> None:
    """Answers of two applications come shuffled, the same ones once; deterministic, with the schema."""
    upstream.bodies.clear()
    one = [answer("a", f"{PASS} {at}", bundle="one", id="x1", latency_s=9.5) for at in range(12)]
    other = [answer("a", f"{PASS} {at}", bundle="other", cost_micros=77) for at in range(6, 18)]
    assert len(judged(upstream, judge_of(), *one, *other)) == 18
    bodies = [dict(each) for each in upstream.bodies]
    assert len(bodies) == 18
    said = [each["messages"][-1]["content"] for each in bodies]
    items = {str(each.text): each.item for each in (*one, *other)}
    for order in (said, [items[each] for each in said]):  # neither by answer nor by name
        assert order != sorted(order)
    assert all(
        (each["temperature"], each["response_format"]["json_schema"]["schema"]) == (0, VERDICT_SCHEMA)
        for each in bodies
    )
    told = str([each["messages"] for each in bodies])
    assert not any(word in told for word in ("one'", "other", "x1", "9.5", "77"))
    upstream.bodies.clear()
    judged(upstream, judge_of(), *other, *one)
    assert [each["messages"] for each in upstream.bodies] == [each["messages"] for each in bodies]


def test_a_judge_is_told_context_and_what_is_expected(upstream: FaultyUpstream) -> None:
    """Of what is not known it says nothing: that is no verdict, and no error either."""
    prompt = Prompt((Message("user", "{{question}} {{answer}} {{expected}}\n{{context}}"),))
    upstream.bodies.clear()
    full = answer("a", "24", retrieved=chunks(one="First.", two="Second."))
    found = judged(
        upstream,
        judge_of(prompt=prompt),
        full,
        answer("a", "25"),
        answer("b", "26"),
        answer("a", None),
        expected=["24", "24 h"],
    )
    assert set(found) == {full.item}
    assert upstream.bodies[0]["messages"][0]["content"] == "asked 24 24\n24 h\n[1] First.\n\n[2] Second."
    upstream.bodies.clear()
    judged(upstream, judge_of(prompt=prompt), full, answerable=False)
    assert "There is no answer" in upstream.bodies[0]["messages"][0]["content"]


@pytest.mark.parametrize("content", ["{{answer}}", "{{question}}", "{{question}} {{answer}} {{score}}", "Pass it."])
def test_a_prompt_that_judges_nothing_is_refused(content: str) -> None:
    """It asks for question and answer, and for nothing that it is not told."""
    with pytest.raises(InvalidInput, match="no judge's prompt"):
        judge_of(prompt=Prompt((Message("user", content),))).require()
