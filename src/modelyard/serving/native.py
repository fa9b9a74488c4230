"""Our own endpoints: JSON bodies in, rows to the data plane, JSON answers out. Nothing here waits."""

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, cast

import msgspec

from modelyard.access import Permission
from modelyard.core import Scalar, Value
from modelyard.journal import OutcomeRecord, TruthRecord
from modelyard.online import FeatureColumns

from .arms import Input
from .dataplane import Answer, DataPlane, parse_instant
from .deployments import Deployment
from .errors import BadRequest, TooLarge
from .explaining import Explainer
from .looking import Looking
from .requests import Request
from .strict import refuse_deep_nesting, refuse_repeated_names
from .where import path_of

_LARGEST = int(sys.float_info.max)


class Reply(Protocol):
    """Where the answer to a request goes, once: now, or when the model has answered."""

    def answer(self, value: dict[str, Any], status: int = 200) -> None:
        """Send JSON."""

    def fail(self, error: Exception) -> None:
        """Send an error."""


Endpoint = Callable[[Request, Reply], None]
"""Takes a request and replies; an error of ours that it raises is a reply too."""


_Cell = Scalar | list[Any]
"""What stands behind a name: one value, or the nested lists of a tensor, which the model's signature checks."""


class _PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    features: list[Scalar | list[Scalar]] | None = None
    inputs: list[dict[str, _Cell]] | None = None
    entities: list[dict[str, Scalar]] | None = None


class _FeaturesBody(msgspec.Struct, forbid_unknown_fields=True):
    entities: list[dict[str, Scalar]]
    features: list[str] | None = None


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
_FEATURES = msgspec.json.Decoder(_FeaturesBody, strict=True)
_FEEDBACK = msgspec.json.Decoder(_Feedback | list[_Feedback], strict=True)


class Native:
    """Our own endpoints over a data plane. `draining` True makes it say that it is not ready."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._explainer = Explainer()
        self._looking = Looking()
        self.draining = False
        self.endpoints: Mapping[tuple[str, str], tuple[Endpoint, Permission | None]] = {
            ("POST", "/predict"): (self._predict, Permission.PREDICT),
            ("POST", "/batch_predict"): (self._batch_predict, Permission.PREDICT),
            ("POST", "/features"): (self._features, Permission.PREDICT),
            ("POST", "/feedback"): (self._feedback, Permission.FEEDBACK),
            ("GET", "/health"): (self._health, None),
            ("GET", "/livez"): (self._alive, None),
            ("GET", "/ready"): (self._ready, None),
            ("GET", "/readyz"): (self._ready, None),
        }

    def _predict(self, request: Request, reply: Reply) -> None:
        body: _PredictBody = _decode(_PREDICT, request.body)
        refuse_repeated_names(request.body, _names_in(body))
        rows, single = _rows(body, "")
        self._ask(request, rows, reply, single=single)

    def _batch_predict(self, request: Request, reply: Reply) -> None:
        bodies: list[_PredictBody] = _decode(_BATCH, request.body)
        refuse_repeated_names(request.body, sum(map(_names_in, bodies)))
        rows = [row for index, body in enumerate(bodies) for row in _rows(body, f"[{index}].")[0]]
        self._ask(request, rows, reply, single=False)

    def _ask(self, request: Request, rows: list[Input], reply: Reply, *, single: bool) -> None:
        deployment = self._plane.deployments.find(request.deployment)
        check_count(len(rows), deployment.policy.rows_limit, "rows")
        at = self._plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        named = self._plane.named_arm(deployment, request.header(b"x-modelyard-arm"))
        explained = bool(request.query) and _explained(request.query)
        if explained:
            self._explainer.admit(deployment, len(rows))

        def then(answers: list[Answer] | Exception) -> None:
            if isinstance(answers, Exception):
                if explained:
                    self._explainer.leave(len(rows))
                reply.fail(answers)
            elif explained:
                self._explain(deployment, answers, reply, single=single)
            else:
                reply.answer(_shape(deployment, answers, single=single))

        self._plane.submit(deployment, rows, at=at, key=request.user, then=then, arm=named)

    def _explain(self, deployment: Deployment, answers: list[Answer], reply: Reply, *, single: bool) -> None:
        """Reply with the answers and what explains them; the answers are on record by now, explained or not."""

        def then(explanations: list[dict[str, Any]] | Exception) -> None:
            if isinstance(explanations, Exception):
                reply.fail(explanations)
                return
            shaped = _shape(deployment, answers, single=single)
            told = {"explanation": explanations[0]} if single else {"explanations": explanations}
            reply.answer(shaped | told)

        self._explainer.explain(deployment, answers, then)

    def _features(self, request: Request, reply: Reply) -> None:
        body: _FeaturesBody = _decode(_FEATURES, request.body, _FEATURES_REMEDY)
        names = 1 + (body.features is not None) + sum(map(len, body.entities))
        refuse_repeated_names(request.body, names)
        deployment = self._plane.deployments.find(request.deployment)
        check_count(len(body.entities), deployment.policy.rows_limit, "entities")
        at = self._plane.event_time(deployment, request.header(b"x-modelyard-at"), loopback=request.loopback)
        instant = self._plane.now() if at is None else at

        def then(found: FeatureColumns | Exception) -> None:
            if isinstance(found, Exception):
                reply.fail(found)
            else:
                reply.answer({"values": found.values, "presence": found.presence})

        self._looking.look(deployment.live, body.entities, body.features, instant, then)

    def _feedback(self, request: Request, reply: Reply) -> None:
        body = _decode(_FEEDBACK, request.body)
        given: list[_Feedback] = body if isinstance(body, list) else [body]
        refuse_repeated_names(request.body, 0)
        check_count(len(given), self._plane.deployments.policy(request.deployment).rows_limit, "items")
        deployment = self._plane.deployments.find(request.deployment).route.deployment
        self._plane.feedback([self._truth(each, deployment, f"[{index}].") for index, each in enumerate(given)])
        reply.answer({"accepted": len(given)})

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

    def _health(self, request: Request, reply: Reply) -> None:
        asked = self._asked(request)
        ready = _ready(asked.values())
        loaded = all(arm.name in each.arms for each in asked.values() for arm in each.route.arms)
        status = "unhealthy" if not ready else "healthy" if loaded and not self._plane.behind else "degraded"
        versions = {name: each.route.live.version for name, each in asked.items()}
        reply.answer({"status": status, "model_loaded": ready, "live": versions})

    def _ready(self, request: Request, reply: Reply) -> None:
        ready = _ready(self._asked(request).values()) and not self.draining
        reply.answer({"ready": ready}, 200 if ready else 503)

    def _alive(self, request: Request, reply: Reply) -> None:
        self._asked(request)
        reply.answer({"alive": True})

    def _asked(self, request: Request) -> Mapping[str, Deployment]:
        """The deployments that a probe asks about: the one its path names, or all."""
        deployments, name = self._plane.deployments, request.deployment
        return deployments.current if name is None else {name: deployments.find(name)}


def check_count(count: int, limit: int, what: str) -> None:
    """Refuse more than one request may have."""
    if count > limit:
        raise TooLarge(f"{count} {what} are more than {limit}.", remedy="Send several requests.")


def _ready(asked: Collection[Deployment]) -> bool:
    """Whether there is a route, and every live arm is loaded."""
    return bool(asked) and all(each.route.live.name in each.loaded for each in asked)


def _rows(body: _PredictBody, path: str) -> tuple[list[Input], bool]:
    """The rows of a body, and whether it was one bare row."""
    if body.entities is not None:
        if body.features is not None:
            raise BadRequest(
                "The body has both 'entities' and 'features'.",
                context={"path": path + "entities"},
                remedy="Values in the model's order need no entity; send named fields as 'inputs'.",
            )
        body = _PredictBody(inputs=_joined(body.entities, body.inputs, path))
    if (body.features is None) == (body.inputs is None):
        raise BadRequest(
            "The body has neither or both of 'features' and 'inputs'.",
            context={"path": path + "features"},
            remedy='Send {"features": [1.0, …]} or {"inputs": [{"name": value, …}]}.',
        )
    if body.inputs is not None:
        return [Input(cast("Mapping[str, Value]", row), None) for row in body.inputs], len(body.inputs) == 1
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


def _joined(
    entities: list[dict[str, Scalar]], inputs: list[dict[str, _Cell]] | None, path: str
) -> list[dict[str, _Cell]]:
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
    return [{**entity, **fields} for entity, fields in zip(entities, inputs, strict=True)]


def _explained(query: Mapping[str, str]) -> bool:
    """Whether the caller wants explanations."""
    asked = query.get("explain", "false")
    if asked in ("true", "false"):
        return asked == "true"
    raise BadRequest(
        f"'explain' is {asked[:40]!r}.", context={"path": "explain"}, remedy="Write ?explain=true, or leave it out."
    )


def _shape(deployment: Deployment, answers: list[Answer], *, single: bool) -> dict[str, Any]:
    binary = deployment.live.bundle.info.task == "binary"
    shaped: dict[str, Any]
    if single:
        (answer,) = answers
        shaped = {"prediction": answer.prediction, "model_version": answer.model_version}
        if len(answer.scores) > 1:
            shaped["probability"] = list(answer.scores)
        elif binary:
            shaped["probability"] = answer.scores[0]
        shaped["prediction_id"] = answer.prediction_id
        return shaped
    shaped = {
        "predictions": [each.prediction for each in answers],
        "model_version": answers[0].model_version if answers else deployment.route.live.version,
        "prediction_ids": [each.prediction_id for each in answers],
    }
    if binary:
        shaped["probabilities"] = [each.scores[0] for each in answers]
    return shaped


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
    parts = [each for each in (body.inputs, body.entities) if each is not None]
    return (len(parts) or 1) + sum(len(row) for part in parts for row in part)


_PREDICT_REMEDY = 'Send {"inputs": [{"name": value, …}]} or {"features": [1.0, …]}, say.'
_FEATURES_REMEDY = 'Send {"entities": [{"KEY": value, …}], "features": ["view:feature", …]}; without features, all.'


def _decode(decoder: Any, body: bytes, remedy: str = _PREDICT_REMEDY) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        refuse_deep_nesting(body)  # the decoder stops at the first level too many, and says less
        text = str(error)
        raise BadRequest(
            f"The body is not what this path takes: {text[:300]}.",
            context={"path": path_of(text, body)},
            remedy=remedy,
        ) from error
