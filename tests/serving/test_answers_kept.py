"""Answers that are kept for those who ask exactly the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelyard.access import Role, load_pepper, mint_key
from modelyard.core import Digest, Failed, InvalidInput, Micros, NotFound
from modelyard.generation import Alike, Choice, Target
from modelyard.guards import default_set
from modelyard.journal import Guarded
from modelyard.operations.alike import measured
from modelyard.routing import KeyEntry, ServingPolicy
from modelyard.serving.chat.kept import AnswerCache, AnswerCaches, Kept, key_of
from modelyard.testing import faulty_upstream

from .harness import Server
from .test_chat import Gateway, live, raw_events, route, text_of

MEASURED = Alike(Digest("a" * 64), 299, 0, 0.01, 1, 1)


def kept(size: int = 10) -> Kept:
    """An answer of so many bytes."""
    return Kept(((Choice(),),), "x", "stop", Target("one", "m"), None, size)


def test_a_cache_is_bounded_in_number_bytes_and_age() -> None:
    """The least recently used goes first; what is too large for all of it is not kept at all."""
    now = 0.0
    cache = AnswerCache(2, 60.0, most_bytes=100, clock=lambda: now)
    cache.put(b"a", kept())
    cache.put(b"b", kept())
    assert cache.get(b"a") is not None
    cache.put(b"c", kept())
    assert [cache.get(each) is not None for each in (b"a", b"b", b"c")] == [True, False, True]
    cache.put(b"d", kept(95))
    assert [cache.get(each) is not None for each in (b"a", b"c", b"d")] == [False, False, True]
    cache.put(b"e", kept(101))
    assert (cache.get(b"e"), len(cache)) == (None, 1)
    cache.put(b"d", kept(50))
    cache.put(b"f", kept(50))
    assert len(cache) == 2
    now = 61.0
    assert (cache.get(b"d"), len(cache)) == (None, 1)


def test_requests_are_told_apart_by_bundle_permissions_and_all_that_is_sent_up() -> None:
    """And a deployment that keeps nothing has no cache."""
    one, other = Digest("1" * 64), Digest("2" * 64)
    keys = {key_of(one, "", b"a"), key_of(other, "", b"a"), key_of(one, "service", b"a"), key_of(one, "", b"b")}
    assert len(keys) == 4
    caches = AnswerCaches()
    assert caches.of("desk", ServingPolicy()) is None
    made = caches.of("desk", ServingPolicy(cache_answers=2))
    assert caches.of("desk", ServingPolicy(cache_answers=2)) is made
    assert caches.of("desk", ServingPolicy(cache_answers=3)) is not made
    caches.forget_others(())
    assert caches.of("desk", ServingPolicy(cache_answers=3)) is not made


@dataclass
class Desk:
    """A server that keeps answers, and its keys by what they are for."""

    gateway: Gateway
    tokens: dict[str, str]

    def ask(self, deployment: str, text: str, key: str = "all", **more: Any) -> tuple[int, Any]:
        """Ask as the bearer of a key."""
        told = {"model": deployment, "messages": [{"role": "user", "content": text}], **more}
        return self.gateway.server.post("/v1/chat/completions", told, {"Authorization": f"Bearer {self.tokens[key]}"})

    def stream(self, deployment: str, text: str) -> tuple[int, list[Any]]:
        """The same, streamed."""
        told = {
            "model": deployment,
            "messages": [{"role": "user", "content": text}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return raw_events(self.gateway.server.port, told, {"Authorization": f"Bearer {self.tokens['all']}"})

    def states(self, deployment: str) -> list[str]:
        """What the cache was to each answer."""
        return [made.cache for _, made in self.gateway.records(deployment)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Deployments that keep answers, one of an upstream that hangs up in the middle."""
    folder: Path = tmp_path_factory.mktemp("kept")
    pepper, tokens, entries = folder / "pepper", {}, []
    for name, deployments in (("all", ()), ("some", ("desk", "cut")), ("same", ("desk", "cut"))):
        token, stored = mint_key(
            name, Role.SERVICE, load_pepper(pepper), now=Micros(0), created_by="t", deployments=deployments
        )
        tokens[name] = token
        entries.append(KeyEntry(stored.key_id, stored.digest, "service", deployments))
    with faulty_upstream() as upstream:
        made = Gateway(folder, upstream)
        made.server = Server(folder, options=(f"--pepper={pepper}",))
        made.publish(
            route("desk", live(made.bundle("answer"))),
            route("cut", live(made.bundle("cut"))),
            route("guarded", live(made.bundle("letters", guards=default_set()))),
            route("alike", live(made.bundle("answer", alike=MEASURED))),
            policy=ServingPolicy(cache_answers=100, log_text="full"),
            keys=tuple(entries),
            authentication=True,
        )
        made.server.start()
        yield Desk(made, tokens)
        made.server.stop()


def test_who_asks_the_same_gets_the_same_for_nothing(desk: Desk) -> None:
    """No upstream is asked, nothing is held or paid, usage is nought, and the record says `hit`."""
    asked = desk.gateway.upstream.asked
    before = asked["answer"]
    status, first = desk.ask("desk", "One")
    _, again = desk.ask("desk", "One", metadata={"a": "b"})
    assert (status, asked["answer"] - before) == (200, 1)
    assert first["choices"] == again["choices"]
    assert first["id"] != again["id"]
    assert first["usage"]["total_tokens"] > 0
    assert desk.gateway.records("desk")[-2][1].cost_micros == 2
    assert again["usage"]["total_tokens"] == 0
    assert desk.states("desk")[-2:] == ["miss", "hit"]
    _, made = desk.gateway.records("desk")[-1]
    assert (made.cost_micros, made.input_tokens, made.model, made.said) == (0, 0, "answer", "One")
    desk.ask("desk", "One", temperature=0.1)
    desk.ask("desk", "One ")
    assert desk.states("desk")[-2:] == ["miss", "miss"]
    assert desk.gateway.server.metric("llm_cache_answers_total", state="hit") >= 1


def test_who_asks_the_same_in_other_words_gets_the_same_where_that_was_measured(desk: Desk) -> None:
    """Whole and streamed; the opposite question, another parameter and another earlier message are other requests."""
    asked = desk.gateway.upstream.asked
    before = asked["answer"]
    _, first = desk.ask("alike", "How do I back up?")
    _, again = desk.ask("alike", "Please tell me how to back up")
    assert again["choices"] == first["choices"]
    desk.ask("alike", "How do I back up?")
    assert desk.states("alike") == ["miss", "alike", "hit"]
    assert asked["answer"] - before == 1
    desk.ask("alike", "How do I not back up?")
    desk.ask("alike", "How can I back up?", temperature=0.1)
    earlier = [{"role": "user", "content": "Of what?"}, {"role": "user", "content": "How can I back up?"}]
    desk.ask("alike", "", messages=earlier)
    desk.stream("alike", "How do I back up?")
    _, events = desk.stream("alike", "how to back up")
    assert desk.states("alike")[3:] == ["miss", "miss", "miss", "miss", "alike"]
    assert text_of(events) == "How do I back up?"
    assert desk.gateway.server.metric("llm_cache_answers_total", state="alike") == 2


def test_pairs_decide_whether_other_words_may_be_answered(tmp_path: Path) -> None:
    """Too few different pairs prove nothing, one that is taken for the same is told, and what was measured is kept."""
    file = tmp_path / "pairs.jsonl"

    def pairs(different: int, *more: dict[str, Any]) -> Path:
        same = {"one": "How do I back up?", "other": "how to back up", "same": True}
        made = [{"one": f"Is {at} enough?", "other": f"Is {at + 1} enough?", "same": False} for at in range(different)]
        file.write_text("".join(json.dumps(each) + "\n" for each in (same, *made, *more)))
        return file

    found = measured(pairs(299), 0.01)
    assert (found.different, found.false_hits, found.same, found.hits) == (299, 0, 1, 1)
    assert 0.0099 < found.at_most <= 0.01
    with pytest.raises(Failed, match="of 298 pairs 0 were"):
        measured(pairs(298), 0.01)
    with pytest.raises(Failed, match="The first: 'Is it an index\\?'"):
        measured(pairs(299, {"one": "Is it an index?", "other": "Is it the index?", "same": False}), 0.01)
    file.write_text('{"one": "x"}\n')
    with pytest.raises(InvalidInput, match="line 1"):
        measured(file, 0.01)
    with pytest.raises(NotFound):
        measured(tmp_path / "none", 0.01)


def test_no_key_is_answered_what_one_of_other_permissions_asked(desk: Desk) -> None:
    """Keys of the same role and deployments share."""
    for key in ("all", "some", "same", "all"):
        desk.ask("desk", "Two", key)
    assert desk.states("desk")[-4:] == ["miss", "miss", "hit", "hit"]


def test_a_stream_that_came_to_its_end_is_told_again(desk: Desk) -> None:
    """In the pieces it came in; and one for a stream is none for a whole answer."""
    _, first = desk.stream("desk", "Three words here")
    _, again = desk.stream("desk", "Three words here")
    assert text_of(first) == text_of(again) == "Three words here"
    assert [each["choices"] for each in first[:-2]] == [each["choices"] for each in again[:-2]]
    assert again[-1] == "[DONE]"
    assert again[-2]["usage"]["total_tokens"] == 0
    desk.ask("desk", "Three words here")
    assert desk.states("desk")[-3:] == ["miss", "hit", "miss"]


def test_a_stream_that_was_cut_off_is_never_kept(desk: Desk) -> None:
    """It is asked for again."""
    before = desk.gateway.upstream.asked["cut"]
    for _ in range(2):
        assert "error" in desk.stream("cut", "Four words")[1][-1]
    assert desk.ask("cut", "Four")[0] == 502
    assert desk.gateway.upstream.asked["cut"] - before == 3
    assert set(desk.states("cut")) == {"miss"}


def test_a_kept_answer_is_one_behind_the_guards(desk: Desk) -> None:
    """And the record repeats what they said of it."""
    for _ in range(2):
        _, told = desk.ask("guarded", "Mail jane@example.com")
        assert told["choices"][0]["message"]["content"] == "Mail [EMAIL]"
    _, made = desk.gateway.records("guarded")[-1]
    assert (made.cache, made.guarded_input, made.guarded_output) == (
        "hit",
        Guarded("fail", {"email:redact": 1}),
        Guarded("pass"),
    )
