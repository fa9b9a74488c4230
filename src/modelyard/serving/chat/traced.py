"""What a collector of traces is told of chats and vectors, by OpenTelemetry's `GEN_AI_CONVENTIONS`: never a text."""

from typing import Any

from modelyard.journal import Generated, PredictionRecord

from ..embedders import LoadedEmbedder
from .asked import handed_on
from .attempt import Attempt
from .body import Asked

_NUMBERS = ("temperature", "top_p", "max_tokens", "frequency_penalty", "presence_penalty")
_LARGEST = 2**63


def attributes_of(asked: Asked, attempt: Attempt, record: PredictionRecord, generated: Generated) -> dict[str, Any]:
    """The attributes of the span of one arm's answer. The provider is the upstream, by the name it is declared under;
    what no upstream was asked for has none. Usage and the model that answered are there where the upstream told them.
    """
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.response.id": f"chatcmpl-{record.prediction_id}",
        **_whose(record),
    }
    request = handed_on(asked, attempt.arm)
    told |= {f"gen_ai.request.{name}": request[name] for name in _NUMBERS if name in request}
    if (seed := request.get("seed")) is not None and -_LARGEST <= seed < _LARGEST:
        told["gen_ai.request.seed"] = seed  # a larger one would cost all spans that are sent with it
    if (stop := request.get("stop")) is not None:
        told["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if generated.upstream:
        told |= {"gen_ai.provider.name": generated.upstream, "gen_ai.request.model": generated.model}
        if attempt.made_by:
            told["gen_ai.response.model"] = attempt.made_by
        if generated.told:
            told["gen_ai.usage.input_tokens"] = generated.input_tokens
            told["gen_ai.usage.output_tokens"] = generated.output_tokens
    if record.prediction is not None:
        told["gen_ai.response.finish_reasons"] = [record.prediction]
    return told


def attributes_of_vectors(
    arm: LoadedEmbedder, encoding: str, record: PredictionRecord, generated: Generated
) -> dict[str, Any]:
    """The attributes of the span of one arm's vectors: the provider is this server, which made them."""
    told: dict[str, Any] = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "modelyard",
        "gen_ai.request.model": generated.model,
        "gen_ai.request.encoding_formats": [encoding],
        **_whose(record),
    }
    if record.error is None:
        told["gen_ai.response.model"] = generated.model
        told["gen_ai.embeddings.dimension.count"] = arm.embedder.dimension
        told["gen_ai.usage.input_tokens"] = generated.input_tokens
    return told


def _whose(record: PredictionRecord) -> dict[str, Any]:
    return {
        "modelyard.deployment": record.deployment,
        "modelyard.arm": record.arm,
        "modelyard.model_version": record.model_version,
        "modelyard.prediction_id": record.prediction_id,
    }
