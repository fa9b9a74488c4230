"""Asking an application every case of a suite, through its gateway, as any client does."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.core import InvalidInput, ModelyardError, Unavailable
from modelyard.generation import LARGEST_ANSWER, Address, Connections

from .cases import AnswerCase, AnswerSuite
from .records import Answer, Asked, Retrieved

_PATH = "/chat/completions"
_CONNECT_SECONDS = 10.0
_NOT_OURS = (401, 403, 404)
"""Statuses that tell of the caller, or that nobody is there by that name: no case would fare better."""


@dataclass(frozen=True)
class Gateway:
    """Where an application answers, by OpenAI's API: `url` ends with `/v1`, `model` is the deployment.

    `keys` are the API keys by the groups that their holders are in; `()` for everybody's.
    """

    url: str
    model: str
    keys: Mapping[tuple[str, ...], str]
    deadline_seconds: float = 120.0
    at_once: int = 1


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    annotations: list[dict[str, Any]] | None = None


class _Choice(msgspec.Struct):
    message: _Message = _Message()


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Said(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    system_fingerprint: str | None = None
    usage: _Usage | None = None
    retrieved: tuple[Retrieved, ...] | None = None
    abstained: bool | None = None


def ask_suite(
    suite: AnswerSuite,
    name: str,
    gateway: Gateway,
    *,
    repeat: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Asked:
    """Ask every case `repeat` times; the order is that of turns, so that no case is asked twice at the same moment.

    An answer that does not come is on record as its error. Unavailable where nothing would answer any case: nobody
    there from the first on, no such deployment, a key that is not enough. InvalidInput for cases of groups that there
    is no key for.
    """
    if lacking := sorted(suite.askers - {(), *gateway.keys}):
        raise InvalidInput(
            f"Cases are asked by {'; '.join(','.join(each) for each in lacking)}, and there is no key of theirs.",
            code="NO_KEY",
            context={"groups": [list(each) for each in lacking]},
            remedy="Say which environment variable has it: --key GROUP,GROUP=VARIABLE, of a deployment that runs.",
        )
    found = asyncio.run(_ask_all(suite, gateway, repeat, progress))
    places = {case.id: at for at, case in enumerate(suite.cases)}
    return Asked(name, tuple(sorted(found, key=lambda each: (places[each.case], each.turn))))


async def _ask_all(suite: AnswerSuite, gateway: Gateway, repeat: int, progress: Callable[[str], None]) -> list[Answer]:
    connections, address = Connections(), Address.parse(gateway.url)
    waiting = [(case, turn) for turn in range(1, repeat + 1) for case in suite.cases][::-1]
    total, found = len(waiting), list[Answer]()

    async def work() -> None:
        while waiting:
            case, turn = waiting.pop()
            if len(found) % 20 == 0:
                progress(f"asking {len(found) + 1} of {total}")
            try:
                found.append(await _ask(connections, address, gateway, case, turn))
            except ModelyardError as error:
                if not any(each.text is not None for each in found):
                    raise
                found.append(_failed(Answer(case.id, turn, case.text), error.message))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, gateway.at_once)):
                group.create_task(work())
    except* ModelyardError as errors:
        raise errors.exceptions[0] from None
    finally:
        connections.close()
    return found


async def _ask(connections: Connections, address: Address, gateway: Gateway, case: AnswerCase, turn: int) -> Answer:
    """One answer, or its error."""
    body = msgspec.json.encode(
        {
            "model": gateway.model,
            "messages": [{"role": each.role, "content": each.content} for each in case.asked],
            **({"variables": case.variables} if case.variables else {}),
        }
    )
    headers = {"content-type": "application/json", "accept": "application/json"}
    if key := gateway.keys.get(case.groups, ""):
        headers["authorization"] = f"Bearer {key}"
    nothing, began = Answer(case.id, turn, case.text), time.perf_counter()
    try:
        async with asyncio.timeout(gateway.deadline_seconds):
            status, said = await _post(connections, address, headers, body)
    except TimeoutError:
        return _failed(nothing, f"no answer within {gateway.deadline_seconds:g} s")
    except ModelyardError as error:
        if error.context.get("why") == "connect":
            raise
        return _failed(nothing, error.message)
    if status in _NOT_OURS:
        raise _refused(gateway, status, said)
    if status != 200:
        return _failed(nothing, f"{status}: {_words(said)}")
    return _read(nothing, said, time.perf_counter() - began)


async def _post(
    connections: Connections, address: Address, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    answer = await connections.post(address, _PATH, headers, body, connect_seconds=_CONNECT_SECONDS)
    try:
        parts, size = list[bytes](), 0
        while size <= LARGEST_ANSWER and (part := await answer.read()):
            parts.append(part)
            size += len(part)
        return answer.status, b"".join(parts)
    finally:
        answer.close()


def _read(nothing: Answer, said: bytes, seconds: float) -> Answer:
    """What an answer of OpenAI's shape says, with what is told beside it."""
    try:
        found = msgspec.json.decode(said, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _failed(nothing, f"the answer is not of OpenAI's shape: {error}")
    message = found.choices[0].message if found.choices else _Message()
    if message.content is None:
        return _failed(nothing, "the answer has no text")
    usage = found.usage or _Usage()
    return msgspec.structs.replace(
        nothing,
        text=message.content,
        retrieved=found.retrieved,
        cited=_cited(message) if found.retrieved is not None else None,
        abstained=found.abstained,
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        latency_s=seconds,
        id=found.id,
        bundle=(found.system_fingerprint or "").removeprefix("fp_"),
    )


def _cited(message: _Message) -> tuple[str, ...] | None:
    """The sources that annotations cite; None of an answer that has none."""
    if message.annotations is None:
        return None
    told = [each.get("url_citation") for each in message.annotations]
    urls = [each.get("url") for each in told if isinstance(each, dict)]
    return tuple(dict.fromkeys(each.partition("#char=")[0] for each in urls if isinstance(each, str)))


def _failed(nothing: Answer, error: str) -> Answer:
    return msgspec.structs.replace(nothing, error=error[:500])


def _refused(gateway: Gateway, status: int, said: bytes) -> Unavailable:
    remedy = (
        "Put a key that may ask it into the environment: MODELYARD_API_KEY."
        if status in (401, 403)
        else "See what there is: modelyard status"
    )
    return Unavailable(
        f"{gateway.url} does not answer as '{gateway.model}': {status}, {_words(said)}",
        code="NOT_ASKED",
        context={"status": status, "deployment": gateway.model},
        remedy=remedy,
    )


def _words(said: bytes) -> str:
    try:
        return str(msgspec.json.decode(said)["error"]["message"])[:400]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return ascii(said[:100])
