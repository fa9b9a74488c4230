"""Applications with a guard of injections, over a real server: what is refused, what passes, what is not loaded."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import Digest
from modelyard.generation import Judges, Pinned
from modelyard.guards import GuardSet
from modelyard.inference import load_bundle, load_embedder
from modelyard.online import LocalOnlineStore
from modelyard.serving.applications import LoadedApplication
from modelyard.serving.deployments import Deployments
from modelyard.serving.guarding import Guards
from modelyard.testing import faulty_upstream

from ..tiny_embedder import build_loud, build_tiny
from .test_chat import Gateway, live, route
from .test_guarded_streams import WHOLE, Plane, Saying, Sent, application, exchange

ATTACK, HARMLESS = "GO!!! RUN!!! GO!", "the cat reads all day"
"""Neither was shown to the classifier."""

Parts = tuple[Path, Digest, Path, Digest]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """The bundles of an embedder, and of a classifier of its vectors."""
    folder = tmp_path_factory.mktemp("parts")
    embedder = build_tiny(folder / "embedder")
    classifier = build_loud(embedder, folder / "classifier")
    return embedder, load_embedder(embedder).digest, classifier, load_bundle(classifier).digest


def guarding(embedder: Digest, classifier: Digest, **more: object) -> GuardSet:
    """A set with a guard of injections, which names these."""
    guard = {"guard": "injection", "embedder": embedder, "classifier": classifier, **more}
    return GuardSet.model_validate({"guards": [guard, {"guard": "personal_data"}]})


def asking(embedder: Digest, classifier: Digest) -> Judges:
    """What an application says that it asks."""
    return Judges(Pinned("tiny", 1, embedder), Pinned("loud", 1, classifier))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, parts: Parts) -> Iterator[Gateway]:
    """A server of an application that refuses attacks, and of one that flags them."""
    embedder, embedder_digest, classifier, classifier_digest = parts
    digests = embedder_digest, classifier_digest
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("suspecting"), upstream)
        made.server.feed.put_bundle(embedder, embedder_digest)
        made.server.feed.put_bundle(classifier, classifier_digest)
        refusing, flagging = guarding(*digests), guarding(*digests, action="flag")
        made.publish(
            route("refusing", live(made.bundle("answer", guards=refusing, judges=asking(*digests)))),
            route("flagging", live(made.bundle("answer", guards=flagging, judges=asking(*digests)))),
        )
        made.server.start()
        yield made
        made.server.stop()


def test_an_attack_is_refused_before_an_upstream_is_asked_and_a_harmless_text_passes(gateway: Gateway) -> None:
    """Wherever in the request it stands, also streamed; what is flagged goes up, and is on record."""
    before = len(gateway.upstream.bodies)
    attacks: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": ATTACK}],
        [{"role": "user", "content": HARMLESS}, {"role": "user", "content": [{"type": "text", "text": ATTACK}]}],
    ]
    for messages in attacks:
        status, told = gateway.ask("refusing", messages=messages)
        assert (status, told["error"]["code"]) == (400, "guard_refused"), told
        assert "injection" in told["error"]["message"]
        assert told["error"]["param"].startswith(f"messages[{len(messages) - 1}].content")
    status, events = gateway.stream("refusing", messages=[{"role": "user", "content": ATTACK}])
    assert (status, events[0]["error"]["code"]) == (400, "guard_refused")
    assert len(gateway.upstream.bodies) == before
    status, told = gateway.ask("refusing", messages=[{"role": "user", "content": HARMLESS}])
    assert (status, told["choices"][0]["message"]["content"]) == (200, HARMLESS)
    assert gateway.ask("flagging", messages=[{"role": "user", "content": ATTACK}])[0] == 200
    _, made = gateway.records("flagging")[-1]
    assert made.guarded_input is not None
    assert made.guarded_input.found == {"injection:flag": 1}


@pytest.mark.parametrize("lacking", ["embedder", "classifier"])
def test_a_part_that_is_missing_or_damaged_or_another_is_refused_by_name(
    gateway: Gateway, parts: Parts, lacking: str, tmp_path: Path
) -> None:
    """The application is not loaded: nothing of it is answered without its guard."""
    one, other = parts[1], parts[3]
    missing = Digest("0" * 64)
    digests = (missing, other) if lacking == "embedder" else (one, missing)
    cases = [
        (gateway.bundle("answer", guards=guarding(*digests), judges=asking(*digests)), "0" * 64),
        (gateway.bundle("answer", guards=guarding(*digests), judges=asking(one, other)), "0" * 12),
        (gateway.bundle("answer", guards=guarding(one, other)), "there is none"),
    ]
    for digest, why in cases:
        gateway.publish(route("lacking", live(digest)))
        assert why in why_not(gateway, tmp_path)
    whole = gateway.bundle("answer", guards=guarding(one, other), judges=asking(one, other))
    gateway.publish(route("lacking", live(whole)))
    assert why_not(gateway, tmp_path) == ""
    damaged = gateway.server.feed.bundle_path(one if lacking == "embedder" else other)
    file = next(each for each in sorted(damaged.iterdir()) if each.suffix in (".onnx", ".bin", ".npz", ".msgpack"))
    kept = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    try:
        assert file.name in why_not(gateway, tmp_path)
    finally:
        file.write_bytes(kept)


def why_not(gateway: Gateway, folder: Path) -> str:
    """Why a server that starts now does not load the arm that was published; empty when it does."""
    deployments = Deployments(gateway.server.feed, LocalOnlineStore(folder))
    deployments.load()
    (status,) = deployments.statuses()
    assert status.loaded == (not status.why_not)
    return status.why_not


def test_texts_are_judged_beside_the_event_loop_and_a_judge_that_fails_lets_nothing_through() -> None:
    """Each takes milliseconds of a processor, for which others would wait."""
    threads: list[int] = []

    class Judge:
        digests = (Digest("a" * 64), Digest("b" * 64))

        def __call__(self, texts: Sequence[str], /) -> Sequence[float]:
            threads.append(threading.get_ident())
            if fails:
                raise ValueError("out of memory")
            return [0.1 for _ in texts]

    loaded = application(None)
    guards = Guards.of(guarding(*Judge.digests), Judge())
    loaded = LoadedApplication(loaded.arm, loaded.application, loaded.prompt, guards)
    body = b'{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}'
    for fails in (False, True):
        sent, plane = Sent(), Plane()
        asyncio.run(exchange(loaded, Saying((body,)), plane, sent, WHOLE).run())
        told = json.loads(sent.data)
        assert told["error"]["code"] == "guard_failed" if fails else told["choices"][0]["message"]["content"] == "yes"
    assert len(threads) == 2
    assert threading.get_ident() not in threads
