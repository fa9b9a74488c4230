"""The gateway: `/v1/chat/completions` and `/v1/models` over the deployments of a data plane."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from modelyard.core import SystemClock, log_event
from modelyard.generation import Upstream, Upstreams
from modelyard.journal import PredictionRecord
from modelyard.routing import Feed, assign, assignment_key, shadows

from ..applications import LoadedApplication
from ..dataplane import DataPlane
from ..deployments import Deployment
from ..errors import Overloaded
from ..requests import Request
from .asked import check_against, check_size, check_values, deployment_of, read_asked
from .body import Asked
from .bounds import CopyBounds
from .budgets import Budgets
from .contract import Caller, Outlet
from .exchange import Exchange, Parts, Question
from .kept import AnswerCaches
from .recorded import entity_of

MOST_AT_ONCE = 4_000
"""Chats that one process has under way; who comes then is sent away."""

SHADOWS_AT_ONCE = 16
"""Copies that one shadow answers at once: each costs what an answer does."""


class Gateway:
    """Answers chats. One event loop's. What waits for upstreams are tasks, which end when their caller leaves."""

    def __init__(
        self,
        plane: DataPlane,
        environment: Mapping[str, str],
        *,
        journal: Path | None = None,
        durable: bool = False,
    ) -> None:
        """`environment` has the upstreams' keys, by the variables that the project file names; `journal` is the folder
        beside whose segments budgets are kept, `durable` as the records are.
        """
        self._plane = plane
        self._upstreams = Upstreams(SystemClock(), environment, self._asked)
        self._budgets = Budgets(journal, durable=durable, record=self._put_aside)
        self._answers = AnswerCaches()
        self._parts = Parts(plane, self._upstreams, self._budgets, self._answers)
        self._declared: Feed | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._copies = CopyBounds(SystemClock(), SHADOWS_AT_ONCE)

    def _put_aside(self, record: PredictionRecord) -> None:
        self._plane.put_aside(record)

    def _asked(self, upstream: str, outcome: str) -> None:
        self._plane.asked_upstream(upstream, outcome)

    @property
    def waiting(self) -> int:
        """How many chats are under way."""
        return len(self._tasks)

    def chat(self, request: Request, caller: Caller, outlet: Outlet) -> None:
        """Answer a chat; raises what is wrong with the request before anything is begun."""
        asked = read_asked(request)
        deployment = deployment_of(request, self._plane.deployments)
        caller.permit(deployment.route.deployment)
        check_size(request.body, deployment, "messages")
        check_values(asked)
        live = deployment.application
        if len(self._tasks) >= MOST_AT_ONCE:
            self._plane.refused(deployment)
            raise Overloaded(f"{len(self._tasks)} chats are under way.", remedy="Try again in a second.")
        self._declare()
        question = self._question(request, asked, deployment, live, caller)
        check_against(asked, live)
        task = asyncio.get_running_loop().create_task(self._answer(question, outlet))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        outlet.on_leave(task.cancel)

    def models(self, _request: Request, caller: Caller, outlet: Outlet) -> None:
        """The deployments that a caller may ask."""
        feed = self._plane.deployments.feed
        created = 0 if feed is None else feed.revision
        told = [
            {"id": name, "object": "model", "created": created, "owned_by": "modelyard"}
            for name, each in sorted(self._plane.deployments.current.items())
            if (each.applications or each.embedders) and caller.may(name)
        ]
        outlet.write(200, msgspec.json.encode({"object": "list", "data": told}))

    async def close(self) -> None:
        """Hang up on every upstream; those who still wait are told nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._upstreams.close()
        self._budgets.close()

    def resume(self) -> None:
        """Settle what a server that was killed had begun to pay for."""
        self._budgets.resume()

    def _declare(self) -> None:
        """Know the upstreams that the feed names now."""
        feed = self._plane.deployments.feed
        if feed is None or feed is self._declared:
            return
        same = self._declared is not None and self._declared.upstreams == feed.upstreams
        self._answers.forget_others(self._plane.deployments.current if same else ())
        try:
            self._upstreams.declare(msgspec.convert(feed.upstreams, dict[str, Upstream]))
        except msgspec.ValidationError as error:
            log_event("serving", "upstreams of the feed refused, the last good ones stay", error=str(error))
        self._declared = feed

    def _question(
        self, request: Request, asked: Asked, deployment: Deployment, live: LoadedApplication, caller: Caller
    ) -> Question:
        plane, route = self._plane, deployment.route
        at = plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        instant = plane.now() if at is None else at
        identity = plane.identity(instant)
        entity = entity_of(request, asked.user)
        named = plane.named_application(deployment, request.header(b"x-modelyard-arm"))
        arm = named or live
        if named is None and deployment.split:
            assigned = assign(route, assignment_key(route, entity, identity))
            arm = deployment.applications.get(assigned.name, live)
        return Question(
            asked,
            deployment,
            arm,
            identity,
            instant,
            entity,
            named is not None,
            caller.scope,
            caller.groups,
            len(request.body),
        )

    async def _answer(self, question: Question, outlet: Outlet) -> None:
        answered = await Exchange(self._parts, question, outlet).run()
        if answered and question.deployment.shadowed:
            self._copy(question)

    def _copy(self, question: Question) -> None:
        """Have shadows answer too, once the answer has left; what comes while too many do is dropped and counted."""
        deployment = question.deployment
        route = deployment.route
        for arm in shadows(route, assignment_key(route, question.entity, question.identity)):
            loaded = deployment.applications.get(arm.name)
            if loaded is None:
                continue
            if (why := self._copies.begin(arm, deployment.policy)) is not None:
                self._plane.shadow_dropped(deployment, why)
                continue
            copy = msgspec.structs.replace(question.asked, stream=False)
            asked = replace(question, asked=copy, arm=loaded)
            task = asyncio.get_running_loop().create_task(self._answer_copy(asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_copy(self, question: Question) -> None:
        try:
            await Exchange(self._parts, question, None).run()
        finally:
            self._copies.end(question.arm.arm)
