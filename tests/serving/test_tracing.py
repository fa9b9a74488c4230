"""Traces, as a collector receives them."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest
from modelyard.inference import load_embedder
from modelyard.serving.tracing import GEN_AI_CONVENTIONS, Tracing
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .harness import Server, live
from .test_chat import TEXT, Gateway, route
from .test_chat import live as chatting
from .test_guarded_streams import ASKED, WHOLE, Plane, Saying, Sent, application, exchange

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00"


class Collector(ThreadingHTTPServer):
    """Takes what is exported over OTLP/HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.schemas: set[str] = set()
        received, schemas = self.spans, self.schemas

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told = ExportTraceServiceRequest.FromString(body)
                received.extend(
                    span for server in told.resource_spans for scope in server.scope_spans for span in scope.spans
                )
                schemas.update(scope.schema_url for server in told.resource_spans for scope in server.scope_spans)
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


def test_a_chat_is_a_span_by_the_conventions_and_has_no_text(tmp_path: Path, collector: Collector) -> None:
    """Whole, streamed and failed: what was asked for, by whom it was answered, what it came to; inside its request."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream, (f"--traces={collector.url}",))
        made.publish(route("good", chatting(made.bundle("answer"))), route("bad", chatting(made.bundle("half-json"))))
        made.server.start()
        status, answer = made.ask("good", stop=["END"], max_tokens=9)
        assert status == 200
        assert made.stream("good")[0] == 200
        assert made.ask("bad")[0] == 502
        assert made.server.stop() == 0
    whole, streamed, failed = (
        {each.key: each.value for each in span.attributes} for span in collector.spans if span.name.startswith("chat ")
    )
    assert whole["gen_ai.operation.name"].string_value == "chat"
    assert whole["gen_ai.provider.name"].string_value == "one"
    assert whole["gen_ai.request.model"].string_value == "answer"
    assert whole["gen_ai.request.max_tokens"].int_value == 9
    assert whole["gen_ai.request.temperature"].double_value == 0.5
    assert [each.string_value for each in whole["gen_ai.request.stop_sequences"].array_value.values] == ["END"]
    assert whole["gen_ai.response.id"].string_value == answer["id"]
    for told in (whole, streamed):
        assert [each.string_value for each in told["gen_ai.response.finish_reasons"].array_value.values] == ["stop"]
        assert told["gen_ai.usage.input_tokens"].int_value == answer["usage"]["prompt_tokens"]
        assert told["gen_ai.usage.output_tokens"].int_value == answer["usage"]["completion_tokens"]
        assert "error.type" not in told
    assert failed["error.type"].string_value == "invalid_output"
    assert "gen_ai.response.finish_reasons" not in failed
    assert "gen_ai.usage.input_tokens" not in failed
    requests = {each.span_id for each in collector.spans if each.name == "POST /v1/chat/completions"}
    chats = [each for each in collector.spans if each.name.startswith("chat ")]
    assert {each.parent_span_id for each in chats} == requests
    assert [each.kind for each in chats] == [Span.SPAN_KIND_CLIENT] * 3
    assert f"https://opentelemetry.io/schemas/{GEN_AI_CONVENTIONS}" in collector.schemas
    assert all(word not in str(collector.spans) for word in TEXT.split() if len(word) > 3)


def test_what_the_upstream_says_it_is_is_told_of_whole_answers_and_of_streams(collector: Collector) -> None:
    """It may be another model than was asked for; what is no name is not told."""
    arm, plane = application(None), Plane()
    plane.tracing = Tracing(collector.url, 1.0, "server-1")
    for said in ('"tiny-2026-01"', "7", '""', f'"{"n" * 1_000}"'):
        whole = f'{{"model":{said},"choices":[{{"message":{{"content":"x"}},"finish_reason":"stop"}}]}}'
        event = f'data: {{"model":{said},"choices":[{{"delta":{{"content":"x"}},"finish_reason":"stop"}}]}}\n\n'
        for body, asked in ((whole, WHOLE), (f"{event}data: [DONE]\n\n", ASKED)):
            asyncio.run(exchange(arm, Saying((body.encode(),)), plane, Sent(), asked).run())
    plane.tracing.close()
    told = [{each.key: each.value.string_value for each in span.attributes} for span in collector.spans]
    named = [each.get("gen_ai.response.model") for each in told]
    assert named == ["tiny-2026-01"] * 2 + [None] * 4 + ["n" * 200] * 2
    assert {each["gen_ai.request.model"] for each in told} == {"m"}


def test_vectors_are_a_span_by_the_conventions_and_have_no_text(tmp_path: Path, collector: Collector) -> None:
    """Made, and refused: of which model, how long, of how many tokens; inside their request."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream, (f"--traces={collector.url}",))
        folder = build_tiny(tmp_path / "tiny")
        embedder = load_embedder(folder)
        made.server.feed.put_bundle(folder, Digest(embedder.digest))
        made.publish(route("mini", chatting(Digest(embedder.digest))))
        made.server.start()
        asked = {"model": "mini", "input": ["hunting"], "encoding_format": "base64"}
        assert made.server.post("/v1/embeddings", asked, {})[0] == 200
        assert made.server.post("/v1/embeddings", {**asked, "input": ["hunting " * 60]}, {})[0] == 400
        assert made.server.stop() == 0
    spans = [each for each in collector.spans if each.name == f"embeddings {embedder.info.model}"]
    good, bad = ({each.key: each.value for each in span.attributes} for span in spans)
    for told in (good, bad):
        assert told["gen_ai.operation.name"].string_value == "embeddings"
        assert told["gen_ai.request.model"].string_value == embedder.info.model
        assert [each.string_value for each in told["gen_ai.request.encoding_formats"].array_value.values] == ["base64"]
        assert told["modelyard.deployment"].string_value == "mini"
    assert good["gen_ai.embeddings.dimension.count"].int_value == embedder.dimension
    assert good["gen_ai.usage.input_tokens"].int_value == embedder.tokens(["hunting"])[0]
    assert "error.type" not in good
    assert bad["error.type"].string_value == "input"
    assert "gen_ai.usage.input_tokens" not in bad
    requests = [each.span_id for each in collector.spans if each.name == "POST /v1/embeddings"]
    assert [each.parent_span_id for each in spans] == requests
    assert [each.kind for each in spans] == [Span.SPAN_KIND_INTERNAL] * 2
    assert "hunting" not in str(collector.spans)


def test_the_page_says_which_version_of_the_conventions_it_is() -> None:
    """The constant and the page change together."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "serve-a-language-model.md"
    assert f"version {GEN_AI_CONVENTIONS} of\nOpenTelemetry's semantic conventions" in page.read_text(encoding="utf-8")


def test_who_does_not_trace_does_not_import_opentelemetry() -> None:
    """Neither the server nor its gateway does, until a collector is configured."""
    look = (
        "import sys, modelyard.serving.process; sys.exit(any(each.startswith('opentelemetry') for each in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


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
