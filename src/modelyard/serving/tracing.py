"""OpenTelemetry traces of requests, when a collector is configured."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from modelyard.core import InvalidInput

GEN_AI_CONVENTIONS = "1.37.0"
"""The version of OpenTelemetry's semantic conventions that spans of chats and vectors keep to. Another one renames
attributes: change it together with `chat/traced.py`, and with what docs/how-to/serve-a-language-model.md says."""

_INSTALL = "pip install 'modelyard[telemetry]'"
_MOST_IDS = 16


class Tracing:
    """Sends a span for each request, with one inside for its way through the data plane, to a collector.

    Traces begun by the caller (W3C `traceparent`) go on, sampled or not as the caller decided; of the others a `share`
    is sampled. Spans are sent from a thread over OTLP/HTTP; one that cannot be sent is dropped, and no request waits.
    """

    def __init__(self, collector: str, share: float, server: str) -> None:
        try:
            from opentelemetry import context, trace  # noqa: PLC0415 - an extra
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
            from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
                TraceContextTextMapPropagator,
            )
        except ImportError as error:
            raise InvalidInput(
                f"Traces need a library that is not installed: {error}.", code="NO_TELEMETRY", remedy=_INSTALL
            ) from error
        self._context = context
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)),
            resource=Resource({"service.name": "modelyard", "service.instance.id": server}),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=f"{collector.rstrip('/')}/v1/traces")
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("modelyard.serving")
        conventions = f"https://opentelemetry.io/schemas/{GEN_AI_CONVENTIONS}"
        self._chats = self._provider.get_tracer("modelyard.serving.chat", schema_url=conventions)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], **facts: str) -> Iterator[Any]:
        """A span around the answering of a request; `set_attribute` of what it gives adds to it."""
        parent = self._propagator.extract(headers)
        kind = self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(name, parent, kind=kind, attributes=facts) as span:
            yield span

    def here(self) -> Any:
        """The span that is open now, for `predicted` to stand in."""
        return self._context.get_current()

    def predicted(self, inside: Any, seconds: float, deployment: str, answers: Sequence[tuple[str, str]]) -> None:
        """A span for rows that were answered just now, `seconds` after they came: their ids and versions."""
        end = time.time_ns()
        span = self._tracer.start_span("predict", inside, start_time=end - int(seconds * 1e9))
        span.set_attributes(
            {
                "modelyard.deployment": deployment,
                "modelyard.rows": len(answers),
                "modelyard.model_version": sorted({version for _, version in answers}),
                "modelyard.prediction_id": [identity for identity, _ in answers[:_MOST_IDS]],
            }
        )
        span.end(end)

    def generated(
        self, operation: str, model: str, seconds: float, facts: Mapping[str, Any], error: str | None
    ) -> None:
        """A span for what an arm made of a chat, or of texts, until now, in `seconds`: inside the request's.

        `operation` is `chat`, or `embeddings`, which this process makes itself; `facts` are its attributes, and no text
        is among them; `error` is the kind of its failure.
        """
        end = time.time_ns()
        kind = self._trace.SpanKind.CLIENT if operation == "chat" else self._trace.SpanKind.INTERNAL
        span = self._chats.start_span(f"{operation} {model}".strip(), kind=kind, start_time=end - int(seconds * 1e9))
        span.set_attributes(facts)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
