"""Applications whose answers rest on documents, over a real server: what goes up, what is told, what is on record."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import Digest
from modelyard.generation import Message, Pinned, Prompt, Retrieval
from modelyard.guards import GuardSet
from modelyard.inference import load_embedder
from modelyard.llm import build_index, version_folder
from modelyard.online import LocalOnlineStore
from modelyard.retrieval import Cutting
from modelyard.routing import ServingPolicy
from modelyard.serving.deployments import Deployments
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_tiny
from .test_chat import Gateway, live, route, text_of

FOX = "Brown foxes jump over lazy dogs."
OAK = "An old oak stands in the garden."
SECRET = "The board meets in the cellar."
OTHERWISE = "I do not know: I found nothing that says so."
PROMPT = Prompt((Message("system", "Answer by these documents:\n{{context}}"),))
ABSTAINING = GuardSet.model_validate({"guards": [{"guard": "support", "action": "abstain"}]})
QUOTING = GuardSet.model_validate({"guards": [{"guard": "support", "action": "quote"}]})
POLICY = ServingPolicy(log_text="full", cache_answers=10)
CAREFUL = GuardSet.model_validate({"guards": [{"guard": "personal_data"}, {"guard": "secrets", "action": "refuse"}]})


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Digest, Path, Digest]:
    """The bundles of an embedder and of an index."""
    folder = tmp_path_factory.mktemp("parts")
    documents = folder / "documents"
    (documents / "staff").mkdir(parents=True)
    (documents / "fox.md").write_text(f"# Foxes\n\n{FOX}\n", encoding="utf-8")
    (documents / "oak.md").write_text(f"# Oaks\n\n{OAK}\n", encoding="utf-8")
    (documents / "key.md").write_text("# Keys\n\nThe cloud has AKIAIOSFODNN7EXAMPLE.\n", encoding="utf-8")
    (documents / "hen.md").write_text("# Hens\n\nAsk hen@example.com of hens.\n", encoding="utf-8")
    (documents / "staff" / "board.md").write_text(f"# Board\n\n{SECRET}\n", encoding="utf-8")
    bundle = build_tiny(folder / "embedder")
    embedder = load_embedder(bundle)
    home, rules = folder / "index", [("staff/*", ("board",))]
    made = build_index(home, [documents], embedder, cutting=Cutting(400, 0), rules=rules)
    return bundle, embedder.digest, version_folder(home), made.digest


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, parts: tuple[Path, Digest, Path, Digest]) -> Iterator[Gateway]:
    """A server with a deployment for each way to rest on an index."""
    embedder, embedder_digest, index, index_digest = parts
    resting = Retrieval(Pinned("docs", 1, index_digest), Pinned("minilm", 1, embedder_digest), k=2, mode="words")
    never = Retrieval(resting.index, resting.embedder, k=2, least=1.0)
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("retrieving"), upstream)
        made.server.feed.put_bundle(embedder, embedder_digest)
        made.server.feed.put_bundle(index, index_digest)
        routes = [
            route("plain", live(made.bundle("answer", prompt=PROMPT, retrieval=resting))),
            route("abstaining", live(made.bundle("answer", prompt=PROMPT, retrieval=resting, guards=ABSTAINING))),
            route("quoting", live(made.bundle("letters", prompt=PROMPT, retrieval=resting, guards=QUOTING))),
            route("careful", live(made.bundle("answer", prompt=PROMPT, retrieval=resting, guards=CAREFUL))),
            route("never", live(made.bundle("answer", prompt=PROMPT, retrieval=never))),
        ]
        made.publish(*routes, policy=POLICY)
        made.server.start()
        yield made
        made.server.stop()


def says(text: str) -> dict[str, Any]:
    """A message of the user's."""
    return {"messages": [{"role": "user", "content": text}]}


def until_followed(gateway: Gateway) -> None:
    """Wait until the server serves the feed that was published last."""
    gateway.server.until(lambda: [each.feed_revision for each in gateway.server.statuses()] == [gateway.revision])


def context_of(gateway: Gateway) -> str:
    """What the upstream was last told of the documents."""
    return str(gateway.upstream.bodies[-1]["messages"][0]["content"])


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_says_on_which_document_each_sentence_rests(gateway: Gateway, *, streamed: bool) -> None:
    """The chunks are in the prompt by number and title; the sentence is annotated with its place in one of them."""
    asked = says(f"{FOX} Streamed {streamed}?")
    if streamed:
        status, events = gateway.stream("plain", **asked)
        told = next(each for each in events if each != "[DONE]" and each["choices"][0]["finish_reason"])
        text, cited = text_of(events), told["choices"][0]["delta"]["annotations"]
    else:
        status, told = gateway.ask("plain", **asked)
        text, cited = told["choices"][0]["message"]["content"], told["choices"][0]["message"]["annotations"]
    assert status == 200
    assert "[1] Foxes\n# Foxes\n" + FOX in context_of(gateway)
    first = told["retrieved"][0]
    assert (first["source"], told["abstained"]) == ("fox.md", False)
    (only,) = [each["url_citation"] for each in cited]
    assert text[only["start_index"] : only["end_index"]] == FOX.rstrip(".")
    assert only["title"] == "Foxes"
    assert only["url"] == f"fox.md#char={first['start']},{first['end']}"
    _, made = gateway.records("plain")[-1]
    assert (made.sentences, made.unsupported, made.abstained) == (1, 0, False)
    assert made.chunks == tuple(each["chunk"] for each in told["retrieved"])
    assert (len(made.question), made.asked_characters) == (8, len(asked["messages"][0]["content"]))
    assert made.index


def test_who_is_in_no_group_is_told_nothing_of_what_its_readers_may_read(gateway: Gateway) -> None:
    """The board's document is the best for its own sentence, and is neither in the prompt nor beside the answer."""
    _, told = gateway.ask("plain", **says(f"{SECRET} And the foxes?"))
    assert "cellar" not in context_of(gateway)
    assert "staff/board.md" not in json.dumps(told["retrieved"])


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_that_rests_on_nothing_says_so_instead(gateway: Gateway, *, streamed: bool) -> None:
    """No word of it leaves, and the record counts the sentence that was kept back."""
    asked = says(f"Purple elephants from the garden conquered seventeen galaxies yesterday, {streamed}.")
    if streamed:
        status, events = gateway.stream("abstaining", **asked)
        text = text_of(events)
        assert "elephants" not in json.dumps(events)
        assert events[-1] == "[DONE]"
    else:
        status, told = gateway.ask("abstaining", **asked)
        text = told["choices"][0]["message"]["content"]
        assert told["abstained"] is True
    assert (status, text) == (200, OTHERWISE)
    record, made = gateway.records("abstaining")[-1]
    assert (record.answered, made.sentences, made.unsupported, made.abstained) == (True, 1, 1, True)
    assert made.guarded_output is not None
    assert made.guarded_output.found == {"unsupported:abstain": 1}


def test_an_answer_ends_before_the_first_sentence_that_rests_on_nothing(gateway: Gateway) -> None:
    """What stood before it has left, and stays."""
    status, told = gateway.ask("abstaining", **says(f"{FOX} Purple elephants conquered seventeen galaxies."))
    assert status == 200
    assert told["choices"][0]["message"]["content"].strip() == FOX
    assert told["abstained"] is False


@pytest.mark.parametrize("streamed", [False, True])
def test_a_quote_stands_where_nothing_else_does(gateway: Gateway, *, streamed: bool) -> None:
    """The sentence with most words of the question, with the number of its chunk."""
    asked = says(f"An oak in the garden dances wildly on moonlit mountains without any shoes, {streamed}.")
    if streamed:
        _, events = gateway.stream("quoting", **asked)
        text = text_of(events)
    else:
        _, told = gateway.ask("quoting", **asked)
        text = told["choices"][0]["message"]["content"]
    assert text == f"\u201c{OAK}\u201d [1]"


def test_no_upstream_is_asked_where_nothing_is_near_enough(gateway: Gateway) -> None:
    """The application says so itself, for nothing."""
    before = len(gateway.upstream.bodies)
    status, told = gateway.ask("never", **says("Where is the fox?"))
    assert (status, told["choices"][0]["message"]["content"], told["abstained"]) == (200, OTHERWISE, True)
    assert told["usage"]["total_tokens"] == 0
    status, events = gateway.stream("never", **says("Where is the fox?"))
    assert (status, text_of(events), events[-1]) == (200, OTHERWISE, "[DONE]")
    assert len(gateway.upstream.bodies) == before
    record, made = gateway.records("never")[-1]
    assert (record.error, made.upstream, made.abstained, made.cost_micros) == (None, "", True, None)
    assert made.nearest is not None


def test_guards_of_the_input_look_at_documents_too(gateway: Gateway) -> None:
    """What they redact does not go up, and a document that they refuse is left out as a whole."""
    gateway.ask("careful", **says("Ask whom of hens?"))
    assert "hen@example.com" not in json.dumps(gateway.upstream.bodies[-1])
    assert "[EMAIL]" in context_of(gateway)
    status, told = gateway.ask("careful", **says("What has the cloud, and the garden?"))
    assert status == 200
    assert "key.md" not in [each["source"] for each in told["retrieved"]]
    assert "AKIA" not in json.dumps(gateway.upstream.bodies[-1])


def test_what_is_withdrawn_is_found_no_more_and_no_kept_answer_tells_it(gateway: Gateway) -> None:
    """The same question, asked again a moment later of the same bundle, is another request without the document."""
    asked = says(f"{FOX} And in the garden?")
    _, before = gateway.ask("plain", **asked)
    assert before["retrieved"][0]["source"] == "fox.md"
    assert gateway.ask("plain", **asked)[1]["retrieved"] == before["retrieved"]
    assert gateway.records("plain")[-1][1].cache == "hit"
    feed = gateway.server.feed.read()
    assert feed is not None
    gateway.publish(*feed.routes, policy=POLICY, withdrawn={"docs": ("fox.md",), "others": ("oak.md",)})
    until_followed(gateway)
    _, after = gateway.ask("plain", **asked)
    assert "fox.md" not in [each["source"] for each in after["retrieved"]]
    assert gateway.records("plain")[-1][1].cache == "miss"
    assert FOX not in context_of(gateway)
    gateway.publish(*feed.routes, policy=POLICY)
    until_followed(gateway)


def test_what_is_no_question_is_refused_with_its_place(gateway: Gateway) -> None:
    """A chat without a user's message, and a caller who brings documents of his own."""
    status, told = gateway.ask("plain", messages=[{"role": "system", "content": "x"}])
    assert (status, told["error"]["param"], "no question" in told["error"]["message"]) == (400, "messages", True)
    status, told = gateway.ask("plain", **says("x"), variables={"context": "mine"})
    assert (status, told["error"]["param"]) == (400, "variables.context")


def test_an_index_that_is_not_there_is_named(
    gateway: Gateway, parts: tuple[Path, Digest, Path, Digest], tmp_path: Path
) -> None:
    """The arm is not loaded, and the reason is told."""
    missing = Retrieval(Pinned("docs", 2, Digest("0" * 64)), Pinned("minilm", 1, parts[1]))
    gateway.publish(route("lacking", live(gateway.bundle("answer", prompt=PROMPT, retrieval=missing))))
    deployments = Deployments(gateway.server.feed, LocalOnlineStore(tmp_path))
    deployments.load()
    (status,) = deployments.statuses()
    assert (status.loaded, "0" * 64 in status.why_not) == (False, True), status.why_not
