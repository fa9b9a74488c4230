"""One chat: asked of its arm, of live when that fails, recorded, told whole or in pieces."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.core import Failed, InvalidInput, Micros, ModelyardError, log_event
from modelyard.generation import (
    CONTEXT,
    DONE,
    Choice,
    Reply,
    Target,
    UpstreamBroken,
    UpstreamLate,
    Upstreams,
    cost_micros,
    most_tokens,
    render,
    write_event,
)
from modelyard.journal import ErrorClass, Generated, JournalUnavailable, PredictionRecord

from ..applications import LoadedApplication
from ..concealing import hashed
from ..dataplane import DataPlane
from ..deployments import Deployment
from ..errors import BudgetSpent, GuardRefused, Overloaded
from .asked import (
    alike,
    check_against,
    defused_messages,
    handed_on,
    longest_answer,
    question_of,
)
from .attempt import IN_A_THREAD, NOTHING, Attempt
from .body import Asked, ChatMessage
from .budgets import Budgets
from .contract import Outlet
from .errors import chat_error, described
from .kept import AnswerCaches, Kept, key_of
from .recorded import LEFT, LEFT_CODE, Facts, record_of
from .told import Shape
from .traced import attributes_of

_ENCODE = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Parts:
    """What every chat of a gateway uses."""

    plane: DataPlane
    upstreams: Upstreams
    budgets: Budgets
    answers: AnswerCaches


@dataclass(frozen=True)
class Question:
    """A request that was read: what is asked, of which deployment, by whom.

    `scope` is what the caller may do, `groups` whose documents he may read, `size` the bytes that he sent.
    """

    asked: Asked
    deployment: Deployment
    arm: LoadedApplication
    identity: str
    at: Micros
    entity: str | None
    forced: bool
    scope: str = ""
    groups: tuple[str, ...] = ()
    size: int = 0


class Exchange:
    """One question being answered."""

    def __init__(self, parts: Parts, question: Question, outlet: Outlet | None) -> None:
        """Without an `outlet` nobody waits for the answer: it is a shadow's."""
        self._parts = parts
        self._question = question
        self._outlet = outlet
        self._deadline = 0.0
        self._begun = False

    async def run(self) -> bool:
        """Answer, or say why not; whether it was answered. Raises nothing but CancelledError, when the caller left."""
        error: ModelyardError | None = None
        arm = self._question.arm
        for arm in self._arms():
            attempt = Attempt(arm)
            try:
                await self._attempt(attempt)
            except asyncio.CancelledError:
                await self._left(attempt)
                raise
            except JournalUnavailable as unrecorded:
                error = unrecorded
                break
            except BudgetSpent as spent:
                self._refused()
                self._tell(spent)
                return False
            except ModelyardError as failed:
                error = failed
            except Exception as crash:  # the process edge: the caller gets no traceback, the log does
                log_event("serving", "chat failed", deployment=self._name, error=repr(crash))
                error = Failed("The server failed.", code="INTERNAL", remedy="See the server's log.")
            else:
                return True
            told = self._begun or attempt.recorded or isinstance(error, GuardRefused)
            self._failed(attempt, error)
            if told:
                break  # a refusal is an answer, and so is one that cannot be put on record: nobody pays for another
        if error is not None:
            self._unanswered(arm)
            self._tell(error)
        return False

    @property
    def _name(self) -> str:
        return self._question.deployment.route.deployment

    def _arms(self) -> Iterator[LoadedApplication]:
        """The arm that is assigned, and live where that is another one; of a shadow it alone."""
        question = self._question
        yield question.arm
        if self._outlet is not None and question.arm is not question.deployment.application:
            yield question.deployment.application

    async def _attempt(self, attempt: Attempt) -> None:
        arm, asked, loop = attempt.arm, self._question.asked, asyncio.get_running_loop()
        check_against(asked, arm)
        self._deadline = self._deadline or loop.time() + arm.application.deadline_seconds
        streamed = bool(asked.stream) and self._outlet is not None
        await self._look(attempt)
        if not await self._rest(attempt):
            self._abstain(attempt, streamed=streamed)
            return
        make_body = self._bodies(attempt, streamed=streamed)
        if attempt.hit is not None:
            self._answer_again(attempt, attempt.hit, streamed=streamed)
            return
        held = self._as_record(attempt, "model", "")
        attempt.held = self._parts.budgets.hold(
            self._question.deployment, arm, attempt.most, self._parts.upstreams, held
        )
        reply = await self._parts.upstreams.ask(arm.application.targets, make_body, deadline=self._deadline)
        attempt.target, attempt.prices = reply.target, reply.prices
        try:
            async with asyncio.timeout_at(self._deadline):
                await (self._stream(attempt, reply) if streamed else self._whole(attempt, reply))
        except TimeoutError:
            reply.late()
            raise UpstreamLate(
                f"The answer was not whole after {arm.application.deadline_seconds:g} s.",
                context={"why": "deadline", "upstream": reply.target.upstream},
                remedy="Ask for less, or register the application with a longer --deadline.",
            ) from None
        finally:
            reply.close()

    async def _look(self, attempt: Attempt) -> None:
        """Have the guards look at what is asked; GuardRefused, GuardFailed."""
        asked, guards = self._question.asked, attempt.arm.guards
        if guards is not None:
            attempt.before = guards.on("input")
        if attempt.before is None:
            attempt.messages, attempt.variables = asked.messages, asked.variables
        redacts = self._question.deployment.policy.log_text == "redacted"
        if attempt.before is None and not redacts:
            return
        slow = attempt.before is not None and guards is not None and guards.slow
        if slow or self._question.size > IN_A_THREAD:
            await asyncio.to_thread(self._look_at, attempt, redacts=redacts)
        else:
            self._look_at(attempt, redacts=redacts)
        if attempt.before is not None:
            attempt.before.judge()

    async def _rest(self, attempt: Attempt) -> bool:
        """Retrieve what the answer is to rest on, where it is to; whether an upstream is to be asked."""
        arm = attempt.arm
        if arm.retriever is None:
            attempt.after = None if arm.guards is None else arm.guards.on("output")
            return True
        question = question_of(attempt.messages or ())
        try:
            async with asyncio.timeout_at(self._deadline):
                who = self._question.groups
                grounds = await asyncio.to_thread(arm.retriever, question, who, arm.guards, self._withdrawn(arm))
        except TimeoutError:
            raise Overloaded(
                f"Nothing was retrieved within {arm.application.deadline_seconds:g} s.",
                context={"why": "deadline"},
                remedy="Try again later: the server has more to do than it can.",
            ) from None
        attempt.grounds, attempt.variables = grounds, {**attempt.variables, CONTEXT: grounds.context}
        if arm.guards is not None:
            attempt.after = arm.guards.on("output", grounds.for_guards, grounds.instead)
        return grounds.near_enough

    def _withdrawn(self, arm: LoadedApplication) -> Sequence[str]:
        """The sources of an arm's index in which nothing is found any more."""
        feed, retrieval = self._parts.plane.deployments.feed, arm.application.retrieval
        return () if feed is None or retrieval is None else feed.withdrawn.get(retrieval.index.name, ())

    def _abstain(self, attempt: Attempt, *, streamed: bool) -> None:
        """Say that there is no answer, without asking for one."""
        assert attempt.grounds is not None  # noqa: S101 - only who retrieves finds nothing
        said = attempt.grounds.retrieval.otherwise
        attempt.usage, shape = NOTHING, self._shape(attempt)
        attempt.text(said)
        self._record(attempt)
        if not streamed:
            whole = Choice(message={"content": said}, finish_reason="stop")
            self._send(200, _ENCODE(shape.whole((whole,), attempt.usage, attempt.beside)))
        elif (outlet := self._outlet) is not None:
            self._open(outlet)
            piece = Choice(delta={"role": "assistant", "content": said}), Choice(delta={}, finish_reason="stop")
            outlet.push(b"".join(_piece(shape, attempt, (each,)) for each in piece))
            self._end(attempt, outlet)

    def _look_at(self, attempt: Attempt, *, redacts: bool) -> None:
        asked, guards = self._question.asked, attempt.before
        if guards is not None:
            told = (
                guards.message(msgspec.to_builtins(each), f"messages[{at}]") for at, each in enumerate(asked.messages)
            )
            attempt.messages = msgspec.convert(list(told), list[ChatMessage])
            attempt.variables = {
                name: guards.text(value, f"variables.{name}") for name, value in asked.variables.items()
            }
        if redacts and attempt.messages is not None:
            from ..guarding import redacted_message  # noqa: PLC0415 - who does not redact does not pay for it

            told_log = [redacted_message(msgspec.to_builtins(each)) for each in attempt.messages]
            attempt.logged = _ENCODE(told_log).decode()

    def _bodies(self, attempt: Attempt, *, streamed: bool) -> Callable[[Target], bytes]:
        """Makes the request for each target; finds the answer, where the same request has one that is kept."""
        asked, arm = self._question.asked, attempt.arm
        messages: list[Any] = [*render(arm.prompt, attempt.variables), *defused_messages(attempt.messages or ())]
        told: dict[str, Any] = {"messages": messages, **handed_on(asked, arm), "stream": streamed}
        if streamed:
            told["stream_options"] = {"include_usage": True}
        written = _ENCODE(told)
        attempt.most = most_tokens(len(written), len(messages), longest_answer(asked, arm))
        deployment = self._question.deployment
        if self._outlet is not None and deployment.policy.cache_answers:
            attempt.cache = self._parts.answers.of(self._name, deployment.policy)
            attempt.key = attempt.exact = key_of(arm.arm.bundle, self._question.scope, written)
            if arm.application.alike is not None:
                same = _ENCODE({**told, "messages": alike(messages)})
                attempt.key = key_of(arm.arm.bundle, self._question.scope, same)
            attempt.hit = None if attempt.cache is None else attempt.cache.get(attempt.key)
        tail = written[1:]
        return lambda target: b'{"model":%b,%b' % (_ENCODE(target.model), tail)

    async def _whole(self, attempt: Attempt, reply: Reply) -> None:
        said = await reply.whole()
        attempt.note(said)
        for choice in said.choices:
            await attempt.guard(choice)
            message = choice.message = choice.message or {}
            if isinstance(content := message.get("content"), str):
                attempt.text(content)
            attempt.cite(message)
            attempt.finish = choice.finish_reason or "stop"
        if attempt.after is not None:
            attempt.after.judge()
        attempt.pieces.append(tuple(said.choices))
        self._record(attempt)
        self._keep(attempt)
        self._send(200, _ENCODE(self._shape(attempt).whole(said.choices, attempt.usage, attempt.beside)))

    async def _stream(self, attempt: Attempt, reply: Reply) -> None:
        outlet, shape = self._outlet, self._shape(attempt)
        assert outlet is not None  # noqa: S101 - only a caller has anything streamed
        async for pieces in reply.pieces():
            passed = [tuple(choices) for said in pieces if (choices := attempt.passed(said))]
            if passed:
                if attempt.cache is not None:
                    attempt.pieces += passed
                self._open(outlet)
                outlet.push(b"".join(_piece(shape, attempt, each) for each in passed))
                await outlet.drained()
            if attempt.after is not None:
                attempt.after.judge()
        self._record(attempt)
        self._keep(attempt)
        self._end(attempt, outlet)

    def _answer_again(self, attempt: Attempt, kept: Kept, *, streamed: bool) -> None:
        """Tell an answer that was kept: nothing is read, written or paid for."""
        outlet, shape = self._outlet, self._shape(attempt)
        assert outlet is not None  # noqa: S101 - shadows are answered nothing that is kept
        attempt.target, attempt.prices = kept.target, kept.prices
        attempt.usage, attempt.finish = NOTHING, kept.finish
        attempt.text(kept.text)
        self._record(attempt)
        if streamed:
            self._open(outlet)
            outlet.push(b"".join(_piece(shape, attempt, each) for each in kept.pieces))
            self._end(attempt, outlet)
        else:
            self._send(200, _ENCODE(shape.whole(kept.pieces[0], attempt.usage, attempt.beside)))

    def _keep(self, attempt: Attempt) -> None:
        """Keep an answer that came to its end, for those who ask the same; one that a guard failed at is not."""
        if attempt.cache is None or attempt.target is None:
            return
        guarded = None if attempt.after is None else attempt.after.verdict()
        if guarded is not None and guarded.failed:
            return
        text, pieces = attempt.said, tuple(attempt.pieces)
        size = len(text) + len(_ENCODE(pieces))
        attempt.cache.put(
            attempt.key,
            Kept(pieces, text, attempt.finish, attempt.target, guarded, size, attempt.exact, attempt.prices),
        )

    def _end(self, attempt: Attempt, outlet: Outlet) -> None:
        shape = self._shape(attempt)
        self._open(outlet)
        options = self._question.asked.stream_options
        told = shape.piece((), attempt.usage, with_usage=True) if options is not None and options.include_usage else b""
        outlet.push(told + DONE)
        outlet.finish()

    def _open(self, outlet: Outlet) -> None:
        if not self._begun:
            self._begun = True
            self._count("200")
            outlet.open()

    def _shape(self, attempt: Attempt) -> Shape:
        question = self._question
        return Shape(question.identity, question.at, self._name, attempt.arm.arm.bundle)

    def _send(self, status: int, body: bytes) -> None:
        if self._outlet is not None:
            self._count(str(status))
            self._outlet.write(status, body)

    def _count(self, code: str) -> None:
        if self._outlet is not None:
            self._parts.plane.answered(self._name, code)

    def _tell(self, error: ModelyardError) -> None:
        """Say what went wrong: as the answer, or as an event once a stream has begun."""
        status, body = chat_error(error)
        if not self._begun:
            self._send(status, body)
        elif self._outlet is not None:
            self._outlet.push(write_event(_ENCODE({"error": described(error, status)})))
            self._outlet.finish()

    async def _left(self, attempt: Attempt) -> None:
        """The caller hung up: what was made by then is on record, and nobody is to blame.

        Of many who leave together, every upstream is hung up on before the first is put on record.
        """
        attempt.finish = LEFT
        try:
            await asyncio.sleep(0)
        finally:  # also when the server is to end meanwhile
            if not self._begun:
                self._count(LEFT_CODE)
            try:
                self._record(attempt)
            except ModelyardError as error:
                log_event("serving", "a caller left without a record", deployment=self._name, error=error.message)

    def _refused(self) -> None:
        """Count who comes when the money is gone; of a shadow it is a copy that was dropped."""
        deployment, plane = self._question.deployment, self._parts.plane
        if self._outlet is None:
            plane.shadow_dropped(deployment, "queue")
        else:
            plane.refused(deployment)

    def _unanswered(self, arm: LoadedApplication) -> None:
        """Count a caller who gets no answer, or half of one, by the version that was asked last."""
        if self._outlet is not None:
            self._parts.plane.unanswered(self._question.deployment, arm.arm.version)

    def _failed(self, attempt: Attempt, error: ModelyardError) -> None:
        """Put a failure on record, once: the caller is told whatever becomes of the record."""
        if attempt.recorded:
            return
        try:
            self._record(attempt, error)
        except ModelyardError as unrecorded:
            log_event("serving", "a failure is not on record", deployment=self._name, error=unrecorded.message)

    def _record(self, attempt: Attempt, error: ModelyardError | None = None) -> None:
        """Put an attempt on record, and count it; JournalUnavailable where the deployment then refuses to answer."""
        attempt.recorded = True
        generated = self._generated(attempt)
        kind = None if error is None else _class_of(error)
        record = self._as_record(attempt, kind, _ENCODE(generated).decode())
        if (tracing := self._parts.plane.tracing) is not None:
            facts = attributes_of(self._question.asked, attempt, record, generated)
            tracing.generated("chat", generated.model, time.perf_counter() - attempt.began, facts, kind)
        try:
            self._parts.plane.generated(self._question.deployment, record, generated)
        finally:
            if attempt.held:
                self._parts.budgets.settle(record, generated.cost_micros)

    def _as_record(self, attempt: Attempt, kind: ErrorClass | None, generated: str) -> PredictionRecord:
        asked = self._question
        return record_of(
            Facts(asked.deployment, asked.identity, asked.at, asked.entity, asked.forced),
            attempt.arm.arm,
            ended=attempt.finish,
            error=kind,
            generated=generated,
            latency_us=int((time.perf_counter() - attempt.began) * 1e6),
            logged=self._parts.plane.now(),
        )

    def _generated(self, attempt: Attempt) -> Generated:
        question, target = self._question, attempt.target
        asked = target is not None  # an upstream that never began has read and written nothing that counts
        usage = attempt.usage or (attempt.most if asked else NOTHING)
        price = None if target is None else attempt.prices.models.get(target.model)
        cost = None if price is None else cost_micros(usage, price)
        first, guards, hit = attempt.first, attempt.arm.guards, attempt.hit
        return Generated(
            upstream="" if target is None else target.upstream,
            model="" if target is None else target.model,
            prompt=attempt.arm.prompt_digest,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_tokens=usage.cached,
            told=usage.told,
            cost_micros=0 if hit is not None else cost,
            prices="" if price is None else attempt.prices.digest,
            first_us=None if first is None else int((first - attempt.began) * 1e6),
            streamed=bool(question.asked.stream) and self._outlet is not None,
            asked=self._kept(lambda: _messages(attempt), lambda _: attempt.logged),
            said=self._kept(lambda: attempt.said, _redacted),
            guards="" if guards is None else guards.digest,
            guarded_input=None if attempt.before is None else attempt.before.verdict(),
            guarded_output=attempt.guarded,
            cache=attempt.cached,
            **attempt.rested,
        )

    def _kept(self, text: Callable[[], str], redact: Callable[[str], str]) -> str:
        """A text as it may go on record."""
        how = self._question.deployment.policy.log_text
        if how == "off":
            return ""
        if how == "redacted":
            return redact(text())
        return text() if how == "full" else str(hashed(text(), self._parts.plane.pepper))


def _piece(shape: Shape, attempt: Attempt, choices: Sequence[Choice]) -> bytes:
    """An event of a stream; the last one of the answer tells what stands beside it."""
    ended = any(each.finish_reason is not None for each in choices)
    return shape.piece(choices, more=attempt.beside if ended else {})


def _messages(attempt: Attempt) -> str:
    return "" if attempt.messages is None else _ENCODE(attempt.messages).decode()


def _redacted(text: str) -> str:
    from ..guarding import redacted  # noqa: PLC0415 - who does not redact does not pay for it

    return redacted(text)


def _class_of(error: ModelyardError) -> ErrorClass:
    if isinstance(error, GuardRefused) and error.context["side"] == "output":
        return "invalid_output"
    if isinstance(error, InvalidInput):
        return "input"
    if isinstance(error, UpstreamLate):
        return "timeout"
    return "invalid_output" if isinstance(error, UpstreamBroken) else "model"
