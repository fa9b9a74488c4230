"""HTTP on raw ASGI: paths, bodies, statuses. What an answer is lives in `dataplane`."""

import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
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
from modelyard.routing import Feed

from .arms import Input
from .dataplane import Answer, DataPlane, parse_instant
from .deployments import Deployment
from .errors import BadRequest, NotServed, TooLarge, UnsupportedEncoding
from .openapi import PAGES
from .protocols import ROUTES, Call, RouteTable, allowing, own_error
from .protocols import Route as ProtocolRoute
from .requests import Receive, Request, Scope, Send
from .strict import refuse_deep_nesting, refuse_repeated_names

Endpoint = Callable[[Request], Awaitable[Any]]

_JSON = (b"content-type", b"application/json")
_LARGEST = int(sys.float_info.max)
_RETRY = (b"retry-after", b"1")
_BEARER = (b"www-authenticate", b"Bearer")


class _PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    features: list[Scalar | list[Scalar]] | None = None
    inputs: list[dict[str, Scalar]] | None = None


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    prediction_id: str | None = None
    label: Scalar = None
    entity: str | None = None
    metric: str | None = None
    value: int | float | None = None
    at: str | None = None
    event_at: str | None = None


_PREDICT = msgspec.json.Decoder(_PredictBody, strict=True)
_BATCH = msgspec.json.Decoder(list[_PredictBody], strict=True)
_FEEDBACK = msgspec.json.Decoder(_Feedback | list[_Feedback], strict=True)
_ENCODE = msgspec.json.Encoder().encode


class HttpServer:
    """The ASGI application. Every path has a policy; one without stops the start."""

    def __init__(
        self, plane: DataPlane, clock: Clock, *, body_limit: int, rows_limit: int, pepper: bytes | None
    ) -> None:
        self._plane = plane
        self._clock = clock
        self._body_limit = body_limit
        self._rows_limit = rows_limit
        self._pepper = pepper
        self._ring: tuple[Feed, KeyRing] | None = None
        self.draining = False
        self._protocols = RouteTable((*ROUTES, *PAGES))
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
        try:
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            native = self._native(method, scope["path"])
            foreign = self._protocols.find(method, scope["path"]) if native is None else None
            if native is None and foreign is None:
                raise self._not_served(scope)
        except ModelyardError as error:
            allow = [(b"allow", str(error.context["allow"]).encode())] if "allow" in error.context else []
            reply = own_error(error)
            await _respond(send, reply.status, reply.body, _JSON, *allow)
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
            body = _ENCODE(answer)
        except ModelyardError as error:
            refused = own_error(error)
            status, body = refused.status, refused.body
        except Exception as error:  # the process edge: the caller gets no traceback, the log does
            refused = own_error(_internal(request.path, error))
            status, body = refused.status, refused.body
        await _respond(send, status, body, _JSON)

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
            rows_limit=self._rows_limit,
        )

    def _native(self, method: str, path: str) -> tuple[Endpoint, Permission | None, str | None] | None:
        """Our own endpoint of a path, which may stand below a deployment's name."""
        deployment = None
        if path.startswith("/deployments/"):
            deployment, _, tail = path.removeprefix("/deployments/").partition("/")
            path = f"/{tail}"
        found = self._routes.get((method, path))
        if found is None and (others := [known for known, there in self._routes if there == path]):
            raise allowing(others, method, path)
        return (*found, deployment) if found is not None else None

    @property
    def endpoints(self) -> tuple[tuple[str, str], ...]:
        """Method and path of each endpoint of our own; each also stands below `/deployments/NAME`."""
        return tuple(self._routes)

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
        if (told := request.headers.get(b"content-length", b"")).isdigit() and int(told) > self._body_limit:
            raise self._too_large()
        message = await receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body") and size <= self._body_limit:
                message = await receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if len(body) > self._body_limit:
            raise self._too_large()
        return body

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._body_limit} bytes.", remedy="Send fewer rows in each request.")

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
        if len(rows) > self._rows_limit:
            raise TooLarge(f"{len(rows)} rows are more than {self._rows_limit}.", remedy="Send several requests.")
        deployment = self._plane.deployments.find(request.deployment)
        at = self._plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        return deployment, await self._plane.predict(deployment, rows, at=at, key=request.user)

    def _rows(self, body: _PredictBody, path: str) -> tuple[list[Input], bool]:
        """The rows of a body, and whether it was one bare row."""
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
        refuse_repeated_names(request.body, 0)
        if len(given) > self._rows_limit:
            raise TooLarge(f"{len(given)} items are more than {self._rows_limit}.", remedy="Send several requests.")
        deployment = self._plane.deployments.find(request.deployment).route.deployment
        self._plane.feedback([self._truth(each, deployment, f"[{index}].") for index, each in enumerate(given)])
        return {"accepted": len(given)}

    def _truth(self, given: _Feedback, deployment: str, path: str) -> TruthRecord | OutcomeRecord:
        now = self._plane.now()
        at = parse_instant(given.at, path + "at") if given.at is not None else now
        event = parse_instant(given.event_at, path + "event_at") if given.event_at is not None else at
        truth = given.prediction_id is not None or given.label is not None
        outcome = given.entity is not None or given.metric is not None or given.value is not None
        if given.prediction_id is not None and given.label is not None and not outcome:
            return TruthRecord(given.prediction_id, deployment, given.label, event, at, now)
        if given.entity is not None and given.metric is not None and given.value is not None and not truth:
            return OutcomeRecord(deployment, given.entity, given.metric, _exact(given.value, path), event, now)
        raise BadRequest(
            "An item is neither a truth nor an outcome, or both.",
            context={"path": path.rstrip(".")},
            remedy='Send {"prediction_id", "label", "at"?} or {"entity", "metric", "value", "at"?}.',
        )

    async def _health(self, request: Request) -> dict[str, Any]:
        asked = self._asked(request)
        ready = _ready(asked.values())
        whole = all(arm.name in each.arms for each in asked.values() for arm in each.route.arms)
        status = "unhealthy" if not ready else "healthy" if whole else "degraded"
        versions = {name: each.route.live.version for name, each in asked.items()}
        return {"status": status, "model_loaded": ready, "live": versions}

    async def _ready(self, request: Request) -> tuple[int, dict[str, Any]]:
        ready = _ready(self._asked(request).values()) and not self.draining
        return (200 if ready else 503), {"ready": ready}

    async def _alive(self, request: Request) -> dict[str, Any]:
        self._asked(request)
        return {"alive": True}

    def _asked(self, request: Request) -> Mapping[str, Deployment]:
        """The deployments that a probe asks about: the one its path names, or all."""
        deployments, name = self._plane.deployments, request.deployment
        return deployments.current if name is None else {name: deployments.find(name)}


def _ready(asked: Collection[Deployment]) -> bool:
    """Whether there is a route, and every live arm is loaded."""
    return bool(asked) and all(each.route.live.name in each.arms for each in asked)


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


def _exact(value: float, path: str) -> float:
    """An outcome's number as float64; refused when it is a whole one that would lose digits."""
    if type(value) is int and (abs(value) > _LARGEST or int(float(value)) != value):
        raise BadRequest(
            f"{value!r:.60} is no number that float64 holds exactly.",
            context={"path": f"{path}value"},
            remedy="Send a number of fewer digits.",
        )
    return float(value)


def _names_in(body: _PredictBody) -> int:
    """How many names a body has when none is written twice."""
    return 1 if body.inputs is None else 1 + sum(map(len, body.inputs))


def _decode(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        refuse_deep_nesting(body)  # the decoder stops at the first level too many, and says less
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


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    given = [*headers, (b"content-length", str(len(body)).encode())]
    if status == 503:
        given.append(_RETRY)
    if status == 401:
        given.append(_BEARER)
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})
