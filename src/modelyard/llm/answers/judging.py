"""A judge: a versioned prompt, put to an upstream, that passes or fails an answer. Its answers are read strictly.

It is blind: it is told question, answer and what there is beside them, never whose the answer is, and items of all
applications come in one shuffled order. The same answer to the same case is judged once, whoever gave it.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from modelyard.core import Clock, Digest, InvalidInput, ModelyardError, canonical_json, shown
from modelyard.generation import Prompt, Said, Target, Upstream, Upstreams, cost_micros, render, variables_of

from .cases import AnswerCase
from .records import Answer

LONGEST_VERDICT = 1024
"""Tokens that a judge may write."""

VERDICT_SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"enum": ["pass", "fail"]}, "reason": {"type": "string"}},
    "required": ["verdict", "reason"],
    "additionalProperties": False,
}
"""The response schema that upstreams are asked to keep; whether they did is seen by reading."""

_TOLD = ("question", "answer", "context", "expected")
NO_ANSWER = "There is no answer: it is right to say so, and nothing else."
"""What judges and people are told is expected of a case that has no answer."""


class _Verdict(msgspec.Struct, forbid_unknown_fields=True):
    verdict: Literal["pass", "fail"]
    reason: str


class Judgment(msgspec.Struct, frozen=True):
    """What the judge said of an item: `passed` with its reason, or None with the error that came instead."""

    item: str
    passed: bool | None
    reason: str = ""
    error: str = ""
    cost_micros: int | None = None


@dataclass(frozen=True)
class Judge:
    """A version of a prompt, and the upstream's model that it is put to, each time within `deadline_seconds`."""

    reference: str
    digest: Digest
    prompt: Prompt
    target: Target
    deadline_seconds: float = 120.0
    at_once: int = 1

    def require(self) -> None:
        """InvalidInput for a prompt that is no judge's."""
        asked = variables_of(self.prompt)
        strange = [each for each in asked if each not in _TOLD]
        if strange or not {"question", "answer"} <= set(asked):
            told = f"asks for {shown(strange[0])}" if strange else "does not ask for question and answer"
            raise InvalidInput(
                f"{self.reference} is no judge's prompt: it {told}.",
                code="NO_JUDGE",
                remedy="Its variables are {{question}} and {{answer}}, and may be {{context}} and {{expected}}.",
            )

    def values(self, case: AnswerCase, answer: Answer) -> dict[str, str] | None:
        """What the prompt is told of an answer; None where something that it asks for is not known of it."""
        expected = "\n".join(case.right) if case.answerable else NO_ANSWER
        known = {
            "question": answer.question,
            "answer": answer.text,
            "context": None if answer.texts is None else _context(answer.texts),
            "expected": expected or None,
        }
        found = {name: value for name in variables_of(self.prompt) if (value := known[name]) is not None}
        return found if len(found) == len(variables_of(self.prompt)) else None


def judge_answers(
    judge: Judge,
    cases: Iterable[AnswerCase],
    answers: Iterable[Answer],
    upstream: Upstream,
    clock: Clock,
    environment: Mapping[str, str],
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Judgment]:
    """What the judge says of each different answer, by `item`.

    Not in there are answers that did not come, and those of which the prompt asks what is not known: a context where
    nothing was retrieved, what is expected where the case does not say.
    """
    judge.require()
    by_id = {case.id: case for case in cases}
    items = {each.item: each for each in answers if each.text is not None}
    told = {item: values for item, each in sorted(items.items()) if (values := judge.values(by_id[each.case], each))}
    order = list(told)
    random.Random(judge.digest).shuffle(order)  # noqa: S311 - an order that tells nothing, the same each time
    found = asyncio.run(_judge_all(judge, {item: told[item] for item in order}, upstream, clock, environment, progress))
    return {each.item: each for each in found}


async def _judge_all(
    judge: Judge,
    told: Mapping[str, Mapping[str, str]],
    upstream: Upstream,
    clock: Clock,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> list[Judgment]:
    upstreams = Upstreams(clock, environment, seed=0)
    upstreams.declare({judge.target.upstream: upstream})
    waiting, found = list(told.items())[::-1], list[Judgment]()

    async def work() -> None:
        while waiting:
            item, values = waiting.pop()
            if len(found) % 20 == 0:
                progress(f"judging {len(found) + 1} of {len(told)}")
            found.append(await _judge(judge, item, values, upstreams, upstream))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, judge.at_once)):
                group.create_task(work())
    finally:
        upstreams.close()
    return found


async def _judge(
    judge: Judge, item: str, values: Mapping[str, str], upstreams: Upstreams, upstream: Upstream
) -> Judgment:
    """One verdict; whatever comes to none is an error that says why."""
    body = canonical_json(
        {
            "model": judge.target.model,
            "messages": [msgspec.to_builtins(each) for each in render(judge.prompt, values)],
            "max_tokens": LONGEST_VERDICT,
            "temperature": 0,
            "seed": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": VERDICT_SCHEMA},
            },
        }
    )
    deadline = asyncio.get_running_loop().time() + judge.deadline_seconds
    try:
        async with asyncio.timeout_at(deadline):
            reply = await upstreams.ask([judge.target], lambda _: body, deadline=deadline)
            try:
                said = await reply.whole()
            finally:
                reply.close()
    except TimeoutError:
        return Judgment(item, None, error=f"the judge gave no verdict within {judge.deadline_seconds:g} s")
    except ModelyardError as error:
        return Judgment(item, None, error=error.message[:500])
    return _read(item, said, judge.target, upstream)


def _read(item: str, said: Said, target: Target, upstream: Upstream) -> Judgment:
    price, tokens = upstream.prices.models.get(target.model), said.tokens
    cost = None if price is None or tokens is None else cost_micros(tokens, price)
    text = (said.choices[0].message or {}).get("content")
    try:
        found = msgspec.json.decode(text if isinstance(text, str) else "", type=_Verdict)
    except (msgspec.DecodeError, RecursionError) as error:
        told = f"the judge's answer is no verdict: {str(error)[:200]}: {shown(str(text), 100)}"
        return Judgment(item, None, error=told, cost_micros=cost)
    return Judgment(item, found.verdict == "pass", found.reason[:2000], cost_micros=cost)


def _context(texts: Iterable[str]) -> str:
    """Chunks as prompts of applications have them: each with its number."""
    return "\n\n".join(f"[{at}] {each}" for at, each in enumerate(texts, start=1))
