"""Answers kept for who asks the same in other words: our rule of words, and GPTCache's of vectors, on the same pairs.

Pairs of questions are made of sixteen ways to ask something else of a thing in nearly the same words, of five ways to
ask the same politely or shortened, and of five true paraphrases; of twenty things each. Both see the same questions;
GPTCache has the vectors of our embedder, and its own defaults.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.generation import what_is_asked
from modelyard.inference import Embedder
from modelyard.stats import wilson

from ..environments import install

GPTCACHE = ["gptcache==0.1.44", "faiss-cpu", "numpy", "sqlalchemy", "requests"]

_SIDE = Path(__file__).parent / "peers" / "gptcache_side.py"
_THINGS = (
    "the nightly backup", "two-factor login", "a canary rollout", "the billing export", "the audit log", "dark mode",
    "the weekly report", "an API key", "the mobile app", "a shared folder", "the search index", "the message queue",
    "a staging server", "the mail filter", "the price list", "a webhook", "the holiday calendar", "a guest account",
    "the disk quota", "the load balancer",
)  # fmt: skip
_OTHER = (
    ("How do I enable {}?", "How do I disable {}?"),
    ("Is {} allowed for guests?", "Is {} forbidden for guests?"),
    ("What is the least that {} costs?", "What is the most that {} costs?"),
    ("Can {} be deleted?", "Can {} not be deleted?"),
    ("What happens before {} starts?", "What happens after {} starts?"),
    ("How does {} work with a proxy?", "How does {} work without a proxy?"),
    ("What does {} cost for 3 users?", "What does {} cost for 30 users?"),
    ("How do I import data into {}?", "How do I export data from {}?"),
    ("Does {} start at 8 am?", "Does {} start at 8 pm?"),
    ("Who may see {}?", "Who may change {}?"),
    ("How do I raise the limit of {}?", "How do I lower the limit of {}?"),
    ("Why is {} too slow?", "Why is {} too fast?"),
    ("How do I add a user to {}?", "How do I remove a user from {}?"),
    ("Is {} part of version 2.1?", "Is {} part of version 2.2?"),
    ("Does {} work on Linux?", "Does {} work on Windows?"),
    ("When was {} last opened?", "When was {} last closed?"),
)
_SAME = (
    ("How do I enable {}?", "Please tell me how I can enable {}."),
    ("What is the limit of {}?", "what's the limit of {}"),
    ("How do I reset {}?", "Hello, how can I reset {}? Thanks!"),
    ("Where is {} stored?", "Could you tell me: where is {} stored?"),
    ("Why does {} not start?", "Why doesn't {} start?"),
)
_PARAPHRASES = (
    ("How do I switch on {}?", "What must I do to activate {}?"),
    ("Why is {} slow?", "What makes {} take so long?"),
    ("How much does {} cost?", "What is the price of {}?"),
    ("Who may use {}?", "Which people are permitted to use {}?"),
    ("How do I get rid of {}?", "In what way can {} be removed?"),
)
KINDS: Mapping[str, tuple[tuple[str, str], ...]] = {"other": _OTHER, "same": _SAME, "paraphrase": _PARAPHRASES}


def alike(embedder: Embedder) -> dict[str, dict[str, dict[str, float]]]:
    """By side and kind of pair: `hits` of `of`, the `lower` and `upper` bound of their share, `mean_ms` of a question.

    A hit on a pair with other answers, and the answer to another question, is false: counted as `wrong`.
    """
    pairs = {kind: list(_pairs(shapes)) for kind, shapes in KINDS.items()}
    theirs = _theirs(pairs, embedder)
    return {
        "modelyard": {kind: _figures(*_ours(each), of=len(each)) for kind, each in pairs.items()},
        "gptcache": {
            kind: _figures(theirs[kind]["found"], theirs[kind]["ask_s"], of=len(each)) for kind, each in pairs.items()
        },
    }


def _pairs(shapes: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    for one, other in shapes:
        for thing in _THINGS:
            yield one.format(thing), other.format(thing)


def _ours(pairs: list[tuple[str, str]]) -> tuple[list[str | None], float]:
    """Which question's answer the second of each pair gets, and the seconds that it took."""
    kept = {what_is_asked(one): str(at) for at, (one, _) in enumerate(pairs)}
    began = time.perf_counter()
    found = [kept.get(what_is_asked(other)) for _, other in pairs]
    return found, time.perf_counter() - began


def _theirs(pairs: Mapping[str, list[tuple[str, str]]], embedder: Embedder) -> dict[str, dict[str, Any]]:
    asked = {kind: tuple([each[at] for each in some] for at in (0, 1)) for kind, some in pairs.items()}
    texts = [each for kind in asked.values() for part in kind for each in part]
    python = install("gptcache", GPTCACHE) / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "asked.json").write_text(json.dumps(asked))
        np.save(Path(folder) / "vectors.npy", embedder.embed(texts))
        command = [str(python), str(_SIDE), folder]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def _figures(found: list[str | None], seconds: float, *, of: int) -> dict[str, float]:
    hits = sum(each == str(at) for at, each in enumerate(found))
    wrong = sum(each is not None and each != str(at) for at, each in enumerate(found))
    lower, upper = wilson(hits, of) or (0.0, 1.0)
    return {"hits": hits, "wrong": wrong, "of": of, "lower": lower, "upper": upper, "mean_ms": 1000 * seconds / of}
