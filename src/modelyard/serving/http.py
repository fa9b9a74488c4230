"""HTTP on raw ASGI: paths, bodies, statuses. What an answer is lives in `dataplane`."""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from modelyard.access import KeyRing, Permission, authorize
from modelyard.core import (
    Clock,
    Failed,
    ModelyardError,
    Scalar,
    log_event,
    to_micros,
)
from modelyard.journal import OutcomeRecord, TruthRecord
from modelyard.routing import Feed, ServingPolicy

from .arms import Input
from .dataplane import Answer, DataPlane, parse_instant
from .deployments import Deployment
from .errors import BadRequest, NotServed, TooLarge, UnsupportedEncoding
from .protocols import ROUTES, Call, RouteTable, status_of
from .protocols import Route as ProtocolRoute
from .requests import Receive, Request, Scope, Send
from .strict import refuse_repeated_names
from .tracing import Tracing

Endpoint = Callable[[Request], Awaitable[Any]]

_JSON = (b"content-type", b"application/json")
_RETRY = (b"retry-after", b"1")


class _PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    features: list[Scalar | list[Scalar]] | None = None
    inputs: list[dict[str, Scalar]] | None = None
    entities: list[dict[str, Scalar]] | None = None


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    prediction_id: str | None = None
    label: Scalar = None
    entity: str | None = None
    metric: str | None = None
    value: float | None = None
    at: str | None = None
    event_at: str | None = None


_PREDICT = msgspec.json.Decoder(_PredictBody, strict=True)
_BATCH = msgspec.json.Decoder(list[_PredictBody], strict=True)
_FEEDBACK = msgspec.json.Decoder(_Feedback | list[_Feedback], strict=True)
_ENCODE = msgspec.json.Encoder().encode


class HttpServer:
    """The ASGI application. Every path has a policy; one without stops the start."""

    def __init__(self, plane: DataPlane, clock: Clock, *, pepper: bytes | None) -> None:
        self._plane = plane
        self._clock = clock
        self._pepper = pepper
        self._ring: tuple[Feed, KeyRing] | None = None
        self.draining = False
        self._protocols = RouteTable(ROUTES)
        self._routes: dict[tuple[str, str], tuple[Endpoint, Permission | None]] = {
            ("POST", "/predict"): (self._predict, Permission.PREDICT),
            ("POST", "/batch_predict"): (self._batch_predict, Permission.PREDICT),
            ("POST", "/feedback"): (self._feedback, Permission.FEEDBACK),
            ("GET", "/health"): (self._health, None),
            ("GET", "/livez"): (self._alive, None),
            ("GET", "/ready"): (self._ready, None),
            ("GET", "/readyz"): (self._ready, None),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in its own protocol's words."""
        if scope["type"] != "http":
            return
        if self._plane.tracing is None:
            await self._dispatch(scope, receive, send)
        else:
            await self._traced(self._plane.tracing, scope, receive, send)

    async def _traced(self, tracing: Tracing, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer inside a span; health checks and the like are not worth one."""
        if scope["method"] != "POST":
            await self._dispatch(scope, receive, send)
            return
        headers = {str(name, "latin-1"): str(value, "latin-1") for name, value in scope["headers"]}
        facts = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with tracing.request(f"{scope['method']} {scope['path']}", headers, **facts) as span:

            async def tell(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._dispatch(scope, receive, tell)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            native = self._native(scope["method"], scope["path"])
            foreign = self._protocols.find(scope["method"], scope["path"]) if native is None else None
            if native is None and foreign is None:
                raise self._not_served(scope)
        except ModelyardError as error:
            await _respond(send, status_of(error), _ENCODE(_error(error)), _JSON)
            return
        if native is not None:
            await self._answer(Request(scope, native[2]), native[0], native[1], receive, send)
        elif foreign is not None:
            await self._answer_foreign(scope, *foreign, receive, send)

    async def _answer(
        self, request: Request, endpoint: Endpoint, permission: Permission | None, receive: Receive, send: Send
    ) -> None:
        """Only errors of ours become answers by name; anything else is a 500 with its log line."""
        began = time.perf_counter()
        try:
            self._admit(request, permission)
            request.body = await self._read(request, receive)
            status, answer = 200, await endpoint(request)
            if isinstance(answer, tuple):
                status, answer = answer
            if permission is Permission.PREDICT:
                answer["latency_ms"] = round((time.perf_counter() - began) * 1000, 3)
        except ModelyardError as error:
            status, answer = status_of(error), _error(error)
        except Exception as error:  # the process edge: the caller gets no traceback, the log does
            status, answer = 500, _error(_internal(request.path, error))
        if permission is not None:
            self._plane.answered(request.deployment, str(status))
        await _respond(send, status, _ENCODE(answer), _JSON)

    async def _answer_foreign(
        self, scope: Scope, route: ProtocolRoute, parts: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        request = Request(scope, parts.get("model"))
        try:
            self._admit(request, route.permission)
            reply = await route.handler(self._plane, await self._call(request, parts, receive))
        except ModelyardError as error:
            reply = route.error_reply(error)
        except Exception as error:  # the process edge, as above
            reply = route.error_reply(_internal(request.path, error))
        if route.permission is not None:
            self._plane.answered(request.deployment, str(reply.status))
        kind = (b"content-type", reply.headers.get("content-type", "application/json").encode())
        more = [(name.encode(), value.encode()) for name, value in reply.headers.items() if name != "content-type"]
        await _respond(send, reply.status, reply.body, kind, *more)

    async def _call(self, request: Request, parts: Mapping[str, str], receive: Receive) -> Call:
        return Call(
            method=request.method,
            parts=parts,
            query=request.query,
            headers={str(name, "latin-1"): str(value, "latin-1") for name, value in request.headers.items()},
            body=await self._read(request, receive),
            loopback=request.loopback,
            draining=self.draining,
            rows_limit=self._policy(request).rows_limit,
        )

    def _native(self, method: str, path: str) -> tuple[Endpoint, Permission | None, str | None] | None:
        """Our own endpoint of a path, which may stand below a deployment's name."""
        deployment = None
        if path.startswith("/deployments/"):
            deployment, _, tail = path.removeprefix("/deployments/").partition("/")
            path = f"/{tail}"
        found = self._routes.get((method, path))
        return (*found, deployment) if found is not None else None

    def _not_served(self, scope: Scope) -> NotServed:
        known = ", ".join(f"{method} {path}" for method, path in self._routes)
        return NotServed(
            f"There is no {scope['method']} {scope['path'][:80]}.",
            remedy=f"There are: {known}; and the paths of the Open Inference, TensorFlow Serving and MLflow protocols.",
        )

    def _admit(self, request: Request, permission: Permission | None) -> None:
        """Whoever may not, or comes when too much waits, is sent away before his body is read."""
        if permission is None:
            return
        if self._guarded():
            self.authorize(request.token, permission, request.deployment)
        if permission is Permission.PREDICT and request.method == "POST":
            self._plane.admit(self._plane.deployments.find(request.deployment))

    def _guarded(self) -> Feed | None:
        """The feed, when it asks for keys."""
        feed = self._plane.deployments.feed
        return feed if feed is not None and feed.authentication else None

    def authorize(self, token: str | None, permission: Permission, deployment: str | None) -> None:
        """Whether the bearer of a token may do something to a deployment: returns, or raises Forbidden's children."""
        feed = self._guarded()
        if feed is None:
            return
        if self._ring is None or self._ring[0] is not feed:
            self._ring = feed, KeyRing(feed.keys, self._pepper or b"")
        principal = self._ring[1].authenticate(token, to_micros(self._clock.now()))
        name = deployment or self._plane.deployments.find(None).route.deployment
        authorize(principal, permission, deployment=name)

    async def _read(self, request: Request, receive: Receive) -> bytes:
        if (encoding := request.header(b"content-encoding")) not in (None, "identity"):
            raise UnsupportedEncoding(
                f"The body is encoded as {encoding!r:.40}.", remedy="Send it as it is, without Content-Encoding."
            )
        limit = self._policy(request).body_limit
        if (told := request.headers.get(b"content-length", b"")).isdigit() and int(told) > limit:
            raise _too_large(limit)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body") and size <= limit:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if len(body) > limit:
            raise _too_large(limit)
        return body

    def _policy(self, request: Request) -> ServingPolicy:
        return self._plane.deployments.policy(request.deployment)

    async def _predict(self, request: Request) -> dict[str, Any]:
        body: _PredictBody = _decode(_PREDICT, request.body)
        refuse_repeated_names(request.body, _names_in(body))
        rows, single = self._rows(body, "")
        return _shape(await self._answers(request, rows), single=single)

    async def _batch_predict(self, request: Request) -> dict[str, Any]:
        bodies: list[_PredictBody] = _decode(_BATCH, request.body)
        refuse_repeated_names(request.body, sum(map(_names_in, bodies)))
        rows = [row for index, body in enumerate(bodies) for row in self._rows(body, f"[{index}].")[0]]
        return _shape(await self._answers(request, rows), single=False)

    async def _answers(self, request: Request, rows: list[Input]) -> tuple[Deployment, list[Answer]]:
        deployment = self._plane.deployments.find(request.deployment)
        _check_count(len(rows), deployment.policy.rows_limit, "rows")
        at = self._plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        return deployment, await self._plane.predict(deployment, rows, at=at, key=request.user)

    def _rows(self, body: _PredictBody, path: str) -> tuple[list[Input], bool]:
        """The rows of a body, and whether it was one bare row."""
        if body.entities is not None:
            body = _PredictBody(inputs=_joined(body.entities, body.inputs, path))
        if (body.features is None) == (body.inputs is None):
            raise BadRequest(
                "The body has neither or both of 'features' and 'inputs'.",
                context={"path": path + "features"},
                remedy='Send {"features": [1.0, …]} or {"inputs": [{"name": value, …}]}.',
            )
        if body.inputs is not None:
            return [Input(row, None) for row in body.inputs], len(body.inputs) == 1
        features: Any = body.features  # its shape is told by its first look, not by its type
        if not features:
            raise BadRequest("'features' is empty.", context={"path": path + "features"}, remedy="Send a row.")
        kinds = set(map(type, features))
        if list not in kinds:
            return [Input(None, features)], True
        if len(kinds) > 1:
            raise BadRequest(
                "'features' mixes values and rows.",
                context={"path": path + "features"},
                remedy="Send one row of values, or a list of rows.",
            )
        return [Input(None, row) for row in features], False

    async def _feedback(self, request: Request) -> dict[str, Any]:
        body = _decode(_FEEDBACK, request.body)
        given: list[_Feedback] = body if isinstance(body, list) else [body]
        _check_count(len(given), self._policy(request).rows_limit, "items")
        deployment = self._plane.deployments.find(request.deployment).route.deployment
        self._plane.feedback([self._truth(each, deployment, f"[{index}].") for index, each in enumerate(given)])
        return {"accepted": len(given)}

    def _truth(self, given: _Feedback, deployment: str, path: str) -> TruthRecord | OutcomeRecord:
        now = self._plane.now()
        at = parse_instant(given.at, path + "at") if given.at is not None else now
        event = parse_instant(given.event_at, path + "event_at") if given.event_at is not None else at
        if given.prediction_id is not None and given.label is not None:
            return TruthRecord(given.prediction_id, deployment, given.label, event, at, now)
        if given.entity is not None and given.metric is not None and given.value is not None:
            return OutcomeRecord(deployment, given.entity, given.metric, given.value, event, now)
        raise BadRequest(
            "An item is neither a truth nor an outcome.",
            context={"path": path.rstrip(".")},
            remedy='Send {"prediction_id", "label", "at"?} or {"entity", "metric", "value", "at"?}.',
        )

    async def _health(self, _request: Request) -> dict[str, Any]:
        ready = self._plane.deployments.ready()
        whole = all(each.loaded for each in self._plane.deployments.statuses()) and not self._plane.behind
        status = "unhealthy" if not ready else "healthy" if whole else "degraded"
        versions = {name: each.route.live.version for name, each in self._plane.deployments.current.items()}
        return {"status": status, "model_loaded": ready, "live": versions}

    async def _ready(self, _request: Request) -> tuple[int, dict[str, Any]]:
        ready = self._plane.deployments.ready() and not self.draining
        return (200 if ready else 503), {"ready": ready}

    async def _alive(self, _request: Request) -> dict[str, Any]:
        return {"alive": True}


def _shape(answered: tuple[Deployment, list[Answer]], *, single: bool) -> dict[str, Any]:
    deployment, answers = answered
    binary = deployment.live.bundle.info.task == "binary"
    if single:
        (answer,) = answers
        facts = {"prediction": answer.prediction, "model_version": answer.model_version}
        return facts | _probability(answer, binary=binary) | {"prediction_id": answer.prediction_id}
    shaped: dict[str, Any] = {
        "predictions": [each.prediction for each in answers],
        "model_version": answers[0].model_version if answers else deployment.route.live.version,
        "prediction_ids": [each.prediction_id for each in answers],
    }
    if binary:
        shaped["probabilities"] = [each.scores[0] for each in answers]
    return shaped


def _probability(answer: Answer, *, binary: bool) -> dict[str, Any]:
    if len(answer.scores) > 1:
        return {"probability": list(answer.scores)}
    return {"probability": answer.scores[0]} if binary else {}


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.", remedy="Send fewer rows in each request.")


def _check_count(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise TooLarge(f"{count} {what} are more than {limit}.", remedy="Send several requests.")


def _joined(
    entities: list[dict[str, Scalar]], inputs: list[dict[str, Scalar]] | None, path: str
) -> list[dict[str, Scalar]]:
    """Rows of entity keys with the request's own fields: one of these for each entity, or none at all."""
    inputs = [{} for _ in entities] if inputs is None else inputs
    if len(inputs) != len(entities):
        raise BadRequest(
            f"There are {len(entities)} entities and {len(inputs)} inputs.",
            context={"path": path + "inputs"},
            remedy="Send one of each for every row, or the entity's fields among the inputs.",
        )
    for at, (entity, fields) in enumerate(zip(entities, inputs, strict=True)):
        if twice := entity.keys() & fields.keys():
            raise BadRequest(
                f"'{min(twice)}' is among both the entity's fields and the inputs.",
                context={"path": f"{path}inputs[{at}].{min(twice)}"},
                remedy="Send it once.",
            )
    return [entity | fields for entity, fields in zip(entities, inputs, strict=True)]


def _names_in(body: _PredictBody) -> int:
    """How many names a body has when none is written twice."""
    parts = [each for each in (body.inputs, body.entities) if each is not None]
    return (len(parts) or 1) + sum(len(row) for part in parts for row in part)


def _decode(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        text = str(error)
        path = text.rpartition("`$")[2].rstrip("`") if "`$" in text else ""
        raise BadRequest(
            f"The body is not what this path takes: {text[:300]}.",
            context={"path": path.lstrip(".")},
            remedy='Send {"inputs": [{"name": value, …}]} or {"features": [1.0, …]}, say.',
        ) from error


def _internal(path: str, error: Exception) -> ModelyardError:
    log_event("serving", "request failed", path=path, error=repr(error))
    return Failed("The server failed.", code="INTERNAL", remedy="See the server's log.")


def _error(error: ModelyardError) -> dict[str, Any]:
    described = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if path := error.context.get("path"):
        described["path"] = str(path)
    return {"error": described}


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    given = [*headers, (b"content-length", str(len(body)).encode())]
    if status == 503:
        given.append(_RETRY)
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})
