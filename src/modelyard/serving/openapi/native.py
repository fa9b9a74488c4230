"""Our own endpoints."""

import sys
from collections.abc import Mapping

from .described import INSTANT, JSON, PROBE, SENT, Described, Example, Facts
from .samples import ISO_8601, ROWS, Sample, Schema, list_of, object_of

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_MS: Schema = {"type": "number", "minimum": 0}


def label(sample: Sample) -> Schema:
    """A prediction."""
    return {"type": "number"} if sample.arm.bundle.info.task == "regression" else _TEXT


def score(sample: Sample) -> Schema | None:
    """A probability or several; None where the prediction says it all."""
    task = sample.arm.bundle.info.task
    number: Schema = {"type": "number", "minimum": 0, "maximum": 1}
    return None if task == "regression" else number if task == "binary" else list_of(number)


def _one(sample: Sample) -> Schema:
    facts = {"prediction": label(sample), "model_version": _TEXT, "prediction_id": _TEXT, "latency_ms": _MS}
    probability = score(sample)
    facts |= {"probability": probability} if probability is not None else {}
    return object_of(facts | {"explanation": _explanation(sample)}, list(facts))


def _several(sample: Sample) -> Schema:
    facts: dict[str, Schema] = {
        "predictions": list_of(label(sample)),
        "model_version": _TEXT,
        "prediction_ids": list_of(_TEXT),
        "latency_ms": _MS,
    }
    if sample.arm.bundle.info.task == "binary":
        facts["probabilities"] = list_of(score(sample) or {})
    return object_of(facts | {"explanations": list_of(_explanation(sample))}, list(facts))


def _explanation(sample: Sample) -> Schema:
    """What each field added to the base, on a scale where they add up to the score; a list for several classes."""
    number: Schema = {"type": "number"}
    added = list_of(number) if sample.arm.bundle.info.task == "multiclass" else number
    return object_of(
        {
            "scale": {"enum": ["probability", "log-odds", "value", "log"]},
            "base": added,
            "contributions": {"type": "object", "additionalProperties": added},
        }
    )


def _body(sample: Sample, limit: int | None = None) -> Schema:
    rows = {"anyOf": [list_of(sample.ordered_row(), limit, least=1), sample.ordered_row()]}
    named = list_of(sample.named_row(), limit)  # as entities the same with any part of each row among the inputs
    absent: dict[str, Schema] = {name: {"type": "null"} for name in ("features", "inputs", "entities")}
    return {
        "anyOf": [
            object_of(absent | {"features": rows}, ["features"]),
            object_of(absent | {"inputs": named}, ["inputs"]),
            object_of(absent | {"entities": named}, ["entities"]),
        ]
    }


def _predict_takes(facts: Facts) -> Mapping[str, Schema]:
    return {JSON: facts.any_of(lambda sample: _body(sample, facts.rows_limit))}


def _batch_takes(facts: Facts) -> Mapping[str, Schema]:
    return {JSON: facts.any_of(lambda sample: list_of(_body(sample)))}  # that their sum has a limit no schema can say


def _predict_gives(facts: Facts) -> Mapping[str, Schema]:
    return {JSON: facts.any_of(lambda sample: {"anyOf": [_one(sample), _several(sample)]})}


def _batch_gives(facts: Facts) -> Mapping[str, Schema]:
    return {JSON: facts.any_of(_several)}


def _predict_examples(sample: Sample) -> list[Example]:
    by_name = [
        Example("one row by name", {"inputs": [sample.named()]}, sample),
        Example("several rows by name", {"inputs": [sample.named(at) for at in range(ROWS)]}, sample),
    ]
    return [
        *([] if sample.needs_stored else by_name),
        Example("one row in order", {"features": sample.ordered()}, sample),
        Example("several rows in order", {"features": [sample.ordered(at) for at in range(ROWS)]}, sample),
    ]


def _batch_examples(sample: Sample) -> list[Example]:
    rows = [sample.ordered(at) for at in range(ROWS)]
    return [Example("two parts", [{"features": rows}, {"features": sample.ordered()}], sample)]


_NUMBER: Schema = {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max}
_SCALAR: Schema = {
    "anyOf": [
        _TEXT,
        _FLAG,
        _NUMBER,
    ]
}
_KEY: Schema = {"anyOf": [*_SCALAR["anyOf"], {"type": "integer"}]}
"""Keys are names: whole numbers of any size are as good as texts."""

_NULL: Schema = {"type": "null"}


_FIELDS: Mapping[str, Schema] = {
    "number": _NUMBER | {"description": "A whole number ends at 2^53."},
    "text": _TEXT,
    "instant": ISO_8601,
    "truth": _FLAG,
}
"""What expressions compute with, by its kind."""


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, _NULL]}


_ITEM_FIELDS: dict[str, Schema] = {
    "prediction_id": _or_null(_TEXT),
    "label": _or_null(_SCALAR),
    "entity": _or_null(_TEXT),
    "metric": _or_null(_TEXT),
    "value": _or_null(_NUMBER),
    "at": _or_null(INSTANT),
    "event_at": _or_null(INSTANT),
}
_TRUTH = _ITEM_FIELDS | dict.fromkeys(("entity", "metric", "value"), _NULL)
_OUTCOME = _ITEM_FIELDS | dict.fromkeys(("prediction_id", "label"), _NULL)
_ITEM: Schema = {
    "anyOf": [
        object_of(_TRUTH | {"prediction_id": _TEXT, "label": _SCALAR}, ["prediction_id", "label"]),
        object_of(
            _OUTCOME | {"entity": _TEXT, "metric": _TEXT, "value": _NUMBER},
            ["entity", "metric", "value"],
        ),
    ]
}


def _feedback_takes(facts: Facts) -> Mapping[str, Schema]:
    return {JSON: {"anyOf": [_ITEM, list_of(_ITEM, facts.rows_limit)]}}


def _feedback_examples(sample: Sample) -> list[Example]:
    truth = {"prediction_id": "01890a5d-ac96-774b-bcce-b302099a8057", "label": _truth(sample)}
    outcome = {"entity": "customer-1", "metric": "converted", "value": 1.0, "at": "2026-01-05T12:00:00Z"}
    return [Example("a truth", truth, sample), Example("a truth and an outcome", [truth, outcome], sample)]


def _truth(sample: Sample) -> str | float:
    classes = sample.arm.bundle.info.classes
    return classes[-1] if classes else 1.0


def _entity(sample: Sample) -> Schema:
    """An entity, by the keys of the views that the model reads, with what on-demand features take of requests."""
    keys = dict.fromkeys(sample.entity_keys, _or_null(_KEY))
    fields = {name: _or_null(_FIELDS[each.kind]) for name, each in sample.entity_fields.items()}
    optional = {field.name for field in sample.request if not field.required} - keys.keys()
    return object_of(keys | fields, [name for name in keys | fields if name not in optional])


def _features_take(facts: Facts) -> Mapping[str, Schema]:
    def body(sample: Sample) -> Schema:
        known = sample.looked_up
        some: Schema = list_of({"enum": known}, len(known)) if known else {"type": "array", "maxItems": 0}
        entities = list_of(_entity(sample), facts.rows_limit)
        return object_of({"entities": entities, "features": _or_null(some)}, ["entities"])

    return {JSON: facts.any_of(body)}


def _features_give(_facts: Facts) -> Mapping[str, Schema]:
    how: Schema = {"enum": ["present", "null", "missing", "expired"]}
    values: Schema = {"type": "object", "additionalProperties": list_of(_or_null(_SCALAR))}
    presence: Schema = {"type": "object", "additionalProperties": list_of(how)}
    facts = {"values": values, "presence": presence, "latency_ms": _MS}
    return {JSON: object_of(facts, list(facts))}


def _features_examples(sample: Sample) -> list[Example]:
    entities = [sample.entity(at) for at in range(ROWS)]
    if sample.refuses_stale:
        return []
    some = [Example("one feature", {"entities": entities, "features": sample.looked_up[:1]}, sample)]
    return [Example("all features", {"entities": entities}, sample), *(some if sample.looked_up else [])]


_HEALTH = object_of(
    {
        "status": {"enum": ["healthy", "degraded", "unhealthy"]},
        "model_loaded": _FLAG,
        "live": {"type": "object", "additionalProperties": _TEXT},
    }
)
_READY = object_of({"ready": _FLAG})
_RUN = "Predictions"
_PROBES = "Probes"

ENDPOINTS: Mapping[tuple[str, str], Described] = {
    ("POST", "/predict"): Described(
        _RUN,
        "Predict one row or several",
        "Rows by name have what the caller knows; the rest comes from the online store. Rows in order have every "
        "column of the model, and need nothing looked up. One bare row, or one row by name, gets a single answer. "
        "Entity rows are the same with the entity's keys apart: one of `entities` for each of `inputs`, or alone. "
        "With ?explain=true each answer says what every field added to it, for models that can. "
        "Any content type is read as JSON. Nothing is cast; a number is one that float64 holds exactly.",
        "native",
        SENT,
        _predict_gives,
        _predict_takes,
        _predict_examples,
        rows=True,
    ),
    ("POST", "/batch_predict"): Described(
        _RUN,
        "Predict the rows of several parts",
        "A list of what /predict takes; the answers come in one list.",
        "native",
        SENT,
        _batch_gives,
        _batch_takes,
        _batch_examples,
        rows=True,
    ),
    ("POST", "/features"): Described(
        "Features",
        "Look features up in the online store, and compute those on demand",
        "The features that the live model reads, for entities given by their keys; lists in the order of the entities. "
        "On-demand features are computed of fields of the request, which stand beside the keys. Each value is present, "
        "null (known to be nothing), missing (nothing is stored, or it was not known yet) or expired (older than its "
        "ttl); the view says what the last two become.",
        "native",
        SENT,
        _features_give,
        _features_take,
        _features_examples,
    ),
    ("POST", "/feedback"): Described(
        "Ground truth",
        "Say what turned out to be true",
        "A truth belongs to a prediction, by its id; an outcome to an entity. One, or a list. `at` is when it became "
        "known, `event_at` when it happened. A whole number has at most 64 bits, and `value` is one that "
        "float64 holds exactly.",
        "native",
        SENT,
        lambda _facts: {JSON: object_of({"accepted": {"type": "integer", "minimum": 0}})},
        _feedback_takes,
        _feedback_examples,
    ),
    ("GET", "/health"): Described(
        _PROBES,
        "What is served, and whether all of it is loaded",
        "Always 200: read `status`.",
        "native",
        PROBE,
        lambda _facts: {JSON: _HEALTH},
    ),
    ("GET", "/livez"): Described(
        _PROBES, "Whether the process answers", "", "native", PROBE, lambda _facts: {JSON: object_of({"alive": _FLAG})}
    ),
    **{
        ("GET", path): Described(
            _PROBES,
            "Whether requests should come here",
            "503 before the live arms are loaded, and while the server ends.",
            "native",
            (*PROBE, 503),
            lambda _facts: {JSON: _READY},
            special={503: _READY},
        )
        for path in ("/ready", "/readyz")
    },
}
"""What stands at the top, and below `/deployments/{deployment}`."""
