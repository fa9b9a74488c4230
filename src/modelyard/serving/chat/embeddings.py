"""`/v1/embeddings`: the vectors of texts, as OpenAI's API tells them, of deployments whose arms are embedders."""

import asyncio
import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from modelyard.core import Failed, InvalidInput, ModelyardError, SystemClock, log_event
from modelyard.inference import Embedder
from modelyard.journal import Generated
from modelyard.routing import assign, assignment_key, shadows

from ..batching import give_way
from ..concealing import hashed
from ..dataplane import DataPlane
from ..deployments import Deployment
from ..embedders import LoadedEmbedder
from ..errors import BadRequest, Overloaded
from ..requests import Request
from .asked import check_size, deployment_of, read_body
from .contract import Caller, Outlet
from .copies import Copies
from .errors import chat_error
from .recorded import LEFT, LEFT_CODE, Facts, entity_of, record_of
from .traced import attributes_of_vectors

MOST_WAITING = 4_000
"""Texts that one process embeds or is about to; who comes then is sent away."""

COPIES_AT_ONCE = 1_000
"""Texts that one shadow embeds or is about to; copies that come then are dropped."""

_ENDS = 2
"""Tokens that mark the ends of a text."""

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
    """Answers with vectors. One event loop's; the embedder runs in a thread, one request after the other.

    Shadows run in another one, which gives way.
    """

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._thread = ThreadPoolExecutor(1, "embedding")
        self._beside = ThreadPoolExecutor(1, "shadow-embedding", initializer=give_way)
        self._copies = Copies(SystemClock(), COPIES_AT_ONCE)
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
        task = asyncio.get_running_loop().create_task(self._answer(facts, arm, asked, texts, outlet))
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._over(done, len(texts)))
        outlet.on_leave(task.cancel)

    async def close(self) -> None:
        """Those who still wait are told nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.shutdown(wait=False)
        self._beside.shutdown(wait=False)

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

    async def _answer(
        self, facts: Facts, arm: LoadedEmbedder, asked: AskedVectors, texts: list[str], outlet: Outlet
    ) -> None:
        """Answer by the arm that is assigned, or by live where that fails for no fault of the caller's."""
        live, error, kept = facts.deployment.embedder, None, ""
        for each in (arm, live) if arm is not live else (live,):
            began = time.perf_counter()
            try:
                kept = kept or await self._kept(facts.deployment, texts)
                body, tokens = await self._embedded(self._thread, facts, each, asked, texts)
            except asyncio.CancelledError:
                self._left(facts, each, asked, kept, began)
                raise
            except ModelyardError as failed:
                error = failed
            except Exception as crash:  # the process edge: the caller gets no traceback, the log does
                log_event("serving", "embedding failed", arm=each.arm.name, error=repr(crash))
                error = Failed("The server failed.", code="INTERNAL", remedy="See the server's log.")
            else:
                error = self._record(facts, each, asked, kept, tokens, began, None)
                if error is None:
                    self._send(facts, outlet, 200, body)
                    self._copy(facts, asked, texts, kept)
                    return
                break
            self._record(facts, each, asked, kept, 0, began, error)
            if isinstance(error, InvalidInput):
                break
        if error is not None:
            self._plane.unanswered(facts.deployment, live.arm.version)
            self._send(facts, outlet, *chat_error(error))

    def _left(self, facts: Facts, arm: LoadedEmbedder, asked: AskedVectors, kept: str, began: float) -> None:
        """The caller hung up before his vectors were there: that is on record, and nobody is to blame."""
        self._plane.answered(facts.deployment.route.deployment, LEFT_CODE)
        if (error := self._record(facts, arm, asked, kept, 0, began, None, ended=LEFT)) is not None:
            log_event("serving", "a caller left without a record", error=error.message)

    def _copy(self, facts: Facts, asked: AskedVectors, texts: list[str], kept: str) -> None:
        """Have shadows embed the same, now that the answer has left; what is too much is dropped and counted."""
        deployment, route = facts.deployment, facts.deployment.route
        if not deployment.shadowed:
            return
        for arm in shadows(route, assignment_key(route, facts.entity, facts.identity)):
            loaded = deployment.embedders.get(arm.name)
            if loaded is None:
                continue
            if (why := self._copies.begin(arm, deployment.policy, len(texts))) is not None:
                self._plane.shadow_dropped(deployment, why, len(texts))
                continue
            task = asyncio.get_running_loop().create_task(self._embed_copy(facts, loaded, asked, texts, kept))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _embed_copy(
        self, facts: Facts, arm: LoadedEmbedder, asked: AskedVectors, texts: list[str], kept: str
    ) -> None:
        began, tokens, error = time.perf_counter(), 0, None
        try:
            _, tokens = await self._embedded(self._beside, facts, arm, asked, texts)
        except asyncio.CancelledError:
            self._plane.shadow_dropped(facts.deployment, "end", len(texts))
            raise
        except Exception as failed:  # nothing of a shadow's may fail anybody
            error = failed
        finally:
            self._copies.end(arm.arm, len(texts))
        if (unrecorded := self._record(facts, arm, asked, kept, tokens, began, error)) is not None:
            log_event("serving", "a shadow's answers could not be recorded", error=unrecorded.message)

    async def _embedded(
        self, thread: ThreadPoolExecutor, facts: Facts, arm: LoadedEmbedder, asked: AskedVectors, texts: list[str]
    ) -> tuple[bytes, int]:
        loop, name = asyncio.get_running_loop(), facts.deployment.route.deployment
        return await loop.run_in_executor(thread, _embedded, arm.embedder, asked, texts, name)

    def _send(self, facts: Facts, outlet: Outlet, status: int, body: bytes) -> None:
        self._plane.answered(facts.deployment.route.deployment, str(status))
        outlet.write(status, body)

    def _record(
        self,
        facts: Facts,
        arm: LoadedEmbedder,
        asked: AskedVectors,
        kept: str,
        tokens: int,
        began: float,
        error: Exception | None,
        *,
        ended: str = "embedding",
    ) -> ModelyardError | None:
        """Put it on record, and count it; what the deployment refuses to answer without."""
        kind = None if error is None else "input" if isinstance(error, InvalidInput) else "model"
        generated = Generated(model=arm.embedder.info.model, input_tokens=tokens, cost_micros=0, asked=kept)
        record = record_of(
            facts,
            arm.arm,
            ended=ended,
            error=kind,  # type: ignore[arg-type]  # one of the classes
            generated=_ENCODE(generated).decode(),
            latency_us=int((time.perf_counter() - began) * 1e6),
            logged=self._plane.now(),
        )
        if (tracing := self._plane.tracing) is not None:
            told = attributes_of_vectors(arm, asked.encoding_format, record, generated)
            tracing.generated("embeddings", generated.model, time.perf_counter() - began, told, kind)
        try:
            self._plane.generated(facts.deployment, record, generated)
        except ModelyardError as unrecorded:
            return unrecorded
        return None

    async def _kept(self, deployment: Deployment, texts: list[str]) -> str:
        """The texts as they may go on record."""
        how = deployment.policy.log_text
        if how == "off":
            return ""
        if how == "redacted":
            return await asyncio.to_thread(_redacted, texts)
        told = _ENCODE(texts).decode()
        return told if how == "full" else str(hashed(told, self._plane.pepper))


def _redacted(texts: list[str]) -> str:
    from ..guarding import redacted  # noqa: PLC0415 - who does not redact does not pay for it

    return _ENCODE([redacted(each) for each in texts]).decode()


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


def _embedded(embedder: Embedder, asked: AskedVectors, texts: list[str], name: str) -> tuple[bytes, int]:
    """The answer's body, and how many tokens there were; on the embedder's thread."""
    counts = embedder.tokens(texts)
    longest = embedder.max_tokens - _ENDS
    for at, count in enumerate(counts):
        if count > longest:
            raise BadRequest(
                f"Text {at} has {count} tokens, of at most {longest}.",
                context={"path": f"input[{at}]", "code": "context_length_exceeded"},
                remedy="Cut it in pieces: what came behind would have no part in its vector.",
            )
    vectors = embedder.embed(texts)
    data: list[dict[str, Any]] = [
        {
            "object": "embedding",
            "index": at,
            "embedding": vector.tolist()
            if asked.encoding_format == "float"
            else base64.b64encode(vector.astype("<f4").tobytes()).decode(),
        }
        for at, vector in enumerate(vectors)
    ]
    used = {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    return _ENCODE({"object": "list", "data": data, "model": name, "usage": used}), sum(counts)
