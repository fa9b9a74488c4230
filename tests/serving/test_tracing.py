"""Traces, as a collector receives them."""

import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from modelyard.bundling import BuiltBundle
from modelyard.serving.tracing import Tracing

from .harness import Server, live

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00"


class Collector(ThreadingHTTPServer):
    """Takes what is exported over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        received = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told = ExportTraceServiceRequest.FromString(body)
                received.extend(
                    span for server in told.resource_spans for scope in server.scope_spans for span in scope.spans
                )
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not a word."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector of one's own."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_a_request_is_a_span_in_its_callers_trace(tmp_path: Path, built: BuiltBundle, collector: Collector) -> None:
    """With its status, and inside it what was predicted; a caller who does not sample is not traced."""
    server = Server(tmp_path, options=(f"--traces={collector.url}",))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    row = {"features": [120.0, "de", 7.0]}
    answer = server.post("/predict", row, {"traceparent": PARENT})[1]
    assert server.post("/predict", row, {"traceparent": UNSAMPLED})[0] == 200
    assert server.post("/predict", {"features": []}, {"traceparent": PARENT})[0] == 400
    assert server.stop() == 0
    assert {each.trace_id.hex() for each in collector.spans} == {PARENT.split("-")[1]}
    served, refused = [each for each in collector.spans if each.name == "POST /predict"]
    assert served.parent_span_id.hex() == PARENT.split("-")[2]
    assert (facts(served)["http.response.status_code"], facts(refused)["http.response.status_code"]) == (200, 400)
    (predicted,) = [each for each in collector.spans if each.name == "predict"]
    assert predicted.parent_span_id == served.span_id
    assert served.start_time_unix_nano <= predicted.start_time_unix_nano <= predicted.end_time_unix_nano
    ids = [each for each in predicted.attributes if each.key == "modelyard.prediction_id"]
    assert [each.string_value for each in ids[0].value.array_value.values] == [answer["prediction_id"]]


def facts(span: Span) -> dict[str, object]:
    """The whole numbers among its attributes."""
    return {each.key: each.value.int_value for each in span.attributes}


def test_only_a_share_is_sampled(collector: Collector) -> None:
    """Of requests that no caller decided on."""
    tracing = Tracing(collector.url, 0.25, "server-1")
    for _ in range(400):
        with tracing.request("POST /predict", {}):
            pass
    tracing.close()
    assert 60 <= len(collector.spans) <= 145


def test_serving_goes_on_without_its_collector(tmp_path: Path, built: BuiltBundle) -> None:
    """Nobody listens there, and answers do not wait for it."""
    server = Server(tmp_path, options=("--traces=http://127.0.0.1:9",))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    server.start()
    try:
        assert server.post("/predict", {"features": [120.0, "de", 7.0]})[0] == 200
    finally:
        server.stop(signal.SIGKILL)
