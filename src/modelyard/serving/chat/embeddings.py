"""`/v1/embeddings`: the vectors of texts, as OpenAI's API tells them, of deployments whose arms are embedders."""

import asyncio
import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from modelyard.core import Failed, InvalidInput, ModelyardError, log_event
from modelyard.inference import Embedder
from modelyard.journal import EMBEDDED
from modelyard.routing import assign, assignment_key, fingerprint

from ..dataplane import DataPlane
from ..deployments import Deployment
from ..embedders import LoadedEmbedder
from ..errors import BadRequest, Overloaded
from ..requests import Request
from .asked import check_size, deployment_of, read_body
from .contract import Caller, Outlet
from .copies import VectorCopies
from .errors import chat_error
from .recorded import LEFT, LEFT_CODE, Facts, entity_of
from .vectors import Embedded, Texts, VectorRecords, embedded

MOST_WAITING = 4_000
"""Texts that one process embeds or is about to; who comes then is sent away."""

_ENCODE = msgspec.json.Encoder().encode
_REMEDY = 'Send {"model": "DEPLOYMENT", "input": ["a text", …]}.'


class AskedVectors(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request."""

    input: str | list[str | int | list[int]]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


_DECODER = msgspec.json.Decoder(AskedVectors, strict=True)


class Embeddings:
    """Answers with vectors. One event loop's; the embedder runs in a thread, one request after the other."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._records = VectorRecords(plane)
        self._copies = VectorCopies(plane, self._records)
        self._thread = ThreadPoolExecutor(1, "embedding")
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    def embed(self, request: Request, caller: Caller, outlet: Outlet) -> None:
        """Answer; raises what is wrong with the request before anything is begun."""
        asked: AskedVectors = read_body(request, _DECODER, AskedVectors, _REMEDY)
        deployment = deployment_of(request, self._plane.deployments)
        caller.permit(deployment.route.deployment)
        check_size(request.body, deployment, "input")
        live = deployment.embedder
        texts = _texts(asked, deployment.policy.rows_limit)
        _check_dimensions(asked, live.embedder)
        if self._waiting and self._waiting + len(texts) > MOST_WAITING:
            self._plane.refused(deployment)
            raise Overloaded(f"{self._waiting} texts are waiting.", remedy="Try again in a second, or send fewer.")
        facts, arm = self._assigned(request, asked, deployment, live)
        self._waiting += len(texts)
        answering = self._answer(arm, Texts(facts, texts, asked.encoding_format), outlet)
        task = asyncio.get_running_loop().create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._over(done, len(texts)))
        outlet.on_leave(task.cancel)

    async def close(self) -> None:
        """Those who still wait are told nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._copies.close()
        self._thread.shutdown(wait=False)

    def _over(self, task: "asyncio.Task[None]", texts: int) -> None:
        self._tasks.discard(task)
        self._waiting -= texts

    def _assigned(
        self, request: Request, asked: AskedVectors, deployment: Deployment, live: LoadedEmbedder
    ) -> tuple[Facts, LoadedEmbedder]:
        plane, route = self._plane, deployment.route
        at = plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        instant = plane.now() if at is None else at
        identity = plane.identity(instant)
        entity = entity_of(request, asked.user)
        named = plane.named_embedder(deployment, request.header(b"x-modelyard-arm"))
        arm = named or live
        if named is None and deployment.split:
            assigned = assign(route, assignment_key(route, entity, identity))
            arm = deployment.embedders.get(assigned.name, live)
        return Facts(deployment, identity, instant, entity, named is not None), arm

    async def _answer(self, arm: LoadedEmbedder, asked: Texts, outlet: Outlet) -> None:
        """Answer by the arm that is assigned, or by live where that fails for no fault of the caller's."""
        facts = asked.facts
        live, error = facts.deployment.embedder, None
        for each in (arm, live) if arm is not live else (live,):
            began = time.perf_counter()
            try:
                asked = (
                    asked
                    if asked.kept
                    else asked._replace(kept=await self._records.kept(facts.deployment, asked.texts))
                )
                made, body = await asyncio.get_running_loop().run_in_executor(self._thread, _answered, each, asked)
            except asyncio.CancelledError:
                self._left(asked, each, began)
                raise
            except ModelyardError as failed:
                error = failed
            except Exception as crash:  # the process edge: the caller gets no traceback, the log does
                log_event("serving", "embedding failed", arm=each.arm.name, error=repr(crash))
                error = Failed("The server failed.", code="INTERNAL", remedy="See the server's log.")
            else:
                error = self._record(asked, each, began, made.tokens, None)
                if error is None:
                    self._send(facts, outlet, 200, body)
                    if facts.deployment.shadowed:
                        self._copies.offer(asked, made.vectors)
                    return
                break
            self._record(asked, each, began, 0, error)
            if isinstance(error, InvalidInput):
                break
        if error is not None:
            self._plane.unanswered(facts.deployment, live.arm.version)
            self._send(facts, outlet, *chat_error(error))

    def _left(self, asked: Texts, arm: LoadedEmbedder, began: float) -> None:
        """The caller hung up before his vectors were there: that is on record, and nobody is to blame."""
        self._plane.answered(asked.facts.deployment.route.deployment, LEFT_CODE)
        if (error := self._record(asked, arm, began, 0, None, ended=LEFT)) is not None:
            log_event("serving", "a caller left without a record", error=error.message)

    def _send(self, facts: Facts, outlet: Outlet, status: int, body: bytes) -> None:
        self._plane.answered(facts.deployment.route.deployment, str(status))
        outlet.write(status, body)

    def _record(
        self,
        asked: Texts,
        arm: LoadedEmbedder,
        began: float,
        tokens: int,
        error: Exception | None,
        *,
        ended: str = EMBEDDED,
    ) -> ModelyardError | None:
        """Put it on record; what the deployment refuses to answer without."""
        try:
            self._records.write(asked, arm, began, tokens=tokens, error=error, ended=ended)
        except ModelyardError as unrecorded:
            return unrecorded
        return None


def _texts(asked: AskedVectors, most: int) -> list[str]:
    """The texts of a request; BadRequest says which is none."""
    given = [asked.input] if isinstance(asked.input, str) else asked.input
    if not given:
        raise BadRequest("'input' is empty.", context={"path": "input"}, remedy=_REMEDY)
    if len(given) > most:
        raise BadRequest(
            f"'input' has {len(given)} texts, of at most {most}.",
            context={"path": "input"},
            remedy="Send several requests.",
        )
    texts = []
    for at, each in enumerate(given):
        path = "input" if isinstance(asked.input, str) else f"input[{at}]"
        if not isinstance(each, str):
            raise BadRequest(
                f"'{path}' is a token, and only texts have vectors here: every model cuts them by itself.",
                context={"path": path},
                remedy="Send the text. LangChain: check_embedding_ctx_length=False.",
            )
        if not each:
            raise BadRequest(f"'{path}' is empty.", context={"path": path}, remedy="Leave it out.")
        texts.append(each)
    return texts


def _check_dimensions(asked: AskedVectors, embedder: Embedder) -> None:
    if asked.dimensions not in (None, embedder.dimension):
        raise BadRequest(
            f"'dimensions' is {asked.dimensions}; the vectors of this embedder have {embedder.dimension}.",
            context={"path": "dimensions"},
            remedy=f"Leave it out, or send {embedder.dimension}.",
        )


def _answered(arm: LoadedEmbedder, asked: Texts) -> tuple[Embedded, bytes]:
    """The vectors, and the answer's body; on the embedder's thread."""
    made = embedded(arm.embedder, asked.texts)
    data: list[dict[str, Any]] = [
        {
            "object": "embedding",
            "index": at,
            "embedding": vector.tolist()
            if asked.encoding == "float"
            else base64.b64encode(vector.astype("<f4").tobytes()).decode(),
        }
        for at, vector in enumerate(made.vectors)
    ]
    told = {
        "object": "list",
        "data": data,
        "model": asked.facts.deployment.route.deployment,
        "system_fingerprint": fingerprint(arm.arm.bundle),
        "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
    }
    return made, _ENCODE(told)
