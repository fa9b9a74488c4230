"""Readers of the manual: each asks one question of a deployment, and says afterwards how they liked the answer."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from ..errors import TrafficFailed
from .questions import Question

AT_ONCE = 3
"""Readers who ask at the same time: one a generator, and one whose answer is being looked for."""

NO_ANSWER = "no answer"
"""The label of an answer that says that there is none where there is one; other answers were what they should be."""


_NONE: Mapping[str, str] = MappingProxyType({})


class _Location(msgspec.Struct):
    url: str
    title: str = ""


class _Annotation(msgspec.Struct):
    url_citation: _Location


class _Message(msgspec.Struct):
    content: str | None = None
    annotations: tuple[_Annotation, ...] = ()


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str


class _Found(msgspec.Struct):
    source: str
    text: str = ""


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(msgspec.Struct):
    id: str
    choices: tuple[_Choice, ...]
    usage: _Usage = msgspec.field(default_factory=_Usage)
    retrieved: tuple[_Found, ...] = ()
    abstained: bool | None = None


@dataclass(frozen=True)
class Answer:
    """What a reader was told. `abstained` is None where the deployment rests on no pages, and does not say."""

    id: str
    text: str
    finish: str
    retrieved: tuple[str, ...]
    cited: tuple[str, ...]
    abstained: bool | None


@dataclass
class Tally:
    """What all readers together saw."""

    asked: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Readers:
    """Asks over HTTP, `at_once` at a time. Use inside one event loop, as a context manager."""

    at_once = AT_ONCE

    def __init__(self, address: str) -> None:
        self._address = address
        self._session: aiohttp.ClientSession | None = None
        self._answers = msgspec.json.Decoder(_Completion)
        self.tally = Tally()

    async def __aenter__(self) -> "Readers":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask_all(self, deployment: str, questions: Sequence[Question]) -> list[Answer]:
        """The answers to all questions, in their order; TrafficFailed when one is none."""
        answers: dict[int, Answer] = {}
        waiting = iter(enumerate(questions))

        async def one_reader() -> None:
            for at, each in waiting:
                answers[at] = await self.ask(deployment, each.question)

        await asyncio.gather(*(one_reader() for _ in range(self.at_once)))
        return [answers[at] for at in range(len(questions))]

    async def ask(self, deployment: str, question: str, *, reader: str | None = None) -> Answer:
        """The answer to one question, by a `reader` who stays on one arm."""
        body = {"model": deployment, "messages": [{"role": "user", "content": question}]}
        status, data = await self._post("/v1/chat/completions", body, {} if reader is None else {"X-Entity-Id": reader})
        self.tally.asked += 1
        if status != 200:
            raise TrafficFailed(f"'{deployment}' did not answer {question!r}: {status} {data.decode()[:300]}.")
        told = self._answers.decode(data)
        self.tally.input_tokens += told.usage.prompt_tokens
        self.tally.output_tokens += told.usage.completion_tokens
        (choice,) = told.choices
        return Answer(
            told.id.removeprefix("chatcmpl-"),
            choice.message.content or "",
            choice.finish_reason,
            tuple(each.source for each in told.retrieved),
            tuple(each.url_citation.url.partition("#")[0] for each in choice.message.annotations),
            told.abstained,
        )

    async def tell(self, deployment: str, question: Question, answer: Answer, reader: str) -> None:
        """What the reader makes of it: whether it was right, and a complaint where an answer is missing."""
        right = question.right(answer.text, abstained=bool(answer.abstained))
        missing = question.answerable and bool(answer.abstained)
        body: Iterable[dict[str, Any]] = [
            {"entity": reader, "metric": "right", "value": float(right)},
            {"prediction_id": answer.id, "label": NO_ANSWER if missing else answer.finish},
        ]
        status, data = await self._post(f"/deployments/{deployment}/feedback", body)
        if status != 200:
            raise TrafficFailed(f"The server refused a reader's words: {status} {data.decode()[:300]}.")

    async def _post(self, path: str, body: object, headers: Mapping[str, str] = _NONE) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("Readers are used as a context manager")
        sent = {"Content-Type": "application/json", **headers}
        async with self._session.post(self._address + path, data=msgspec.json.encode(body), headers=sent) as response:
            return response.status, await response.read()
