"""Suites measure an index, and say when chance could have decided."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelyard.core import Digest, Verdict
from modelyard.inference import Embedder
from modelyard.llm import (
    InvalidSuite,
    Measured,
    Outcome,
    build_index,
    compare,
    judge,
    open_index,
    read_suite,
    require_metrics,
    run_suite,
)
from modelyard.retrieval import Searcher

CASES: list[dict[str, Any]] = [
    {"id": "hunters", "question": "who hunts at night", "relevant": ["animals.md"]},
    {"id": "oak", "question": "how old is an oak", "relevant": {"plants.html": 2.0, "animals.md": 1.0}},
    {"id": "pay", "question": "what does the fox earn", "relevant": ["staff/salaries.txt"], "groups": ["hr"]},
    {"id": "hidden", "question": "salaries of the staff", "relevant": ["staff/salaries.txt"]},
]
SUITE: dict[str, Any] = {"suite": "nature", "version": "1", "k": 2, "cases": CASES}


@pytest.fixture
def searcher(documents: Path, tmp_path: Path, tiny: Embedder) -> Searcher:
    """An index where only `hr` reads what is of the staff."""
    build_index(tmp_path / "index", [documents], tiny, rules=[("staff/*", ("hr",))])
    return Searcher(open_index(tmp_path / "index"), tiny)


def written(path: Path, **changed: Any) -> Path:
    """A file of a suite."""
    path.write_text(json.dumps({**SUITE, **changed}), encoding="utf-8")
    return path


def outcome(values: list[float]) -> Outcome:
    """What a suite of so many questions may end with."""
    per_case = {str(at): {"mrr@10": value} for at, value in enumerate(values)}
    mean = sum(values) / len(values)
    measured = {"mrr@10": Measured(mean, mean - 0.1, mean + 0.1)}
    return Outcome("s", "1", Digest("d"), Digest("i"), "words", len(values), measured, per_case)


def test_every_question_is_asked_as_who_asks_it(tmp_path: Path, searcher: Searcher) -> None:
    """Sources rank where their best chunk does; what may not be read is not found, and counts as missed."""
    suite, digest = read_suite(written(tmp_path / "suite.yaml"))
    found = run_suite(suite, digest, searcher, "words")
    assert (found.cases, found.digest, found.index, found.unknown) == (4, digest, searcher.index.digest, [])
    assert found.per_case["hunters"] == {"recall@2": 1.0, "mrr@2": 1.0, "ndcg@2": 1.0}
    assert found.per_case["pay"]["mrr@2"] == 1.0
    assert found.per_case["hidden"]["recall@2"] == 0.0
    assert found.metrics["mrr@2"].value == pytest.approx(sum(each["mrr@2"] for each in found.per_case.values()) / 4)
    again = run_suite(suite, digest, searcher, "words")
    assert again == found


def test_sources_that_the_index_does_not_have_are_told(tmp_path: Path, searcher: Searcher) -> None:
    """They can never be found: the suite may be of another time."""
    cases = [{"id": "a", "question": "fox", "relevant": ["gone.md", "animals.md"]}]
    suite, digest = read_suite(written(tmp_path / "suite.yaml", cases=cases))
    assert run_suite(suite, digest, searcher).unknown == ["gone.md"]


def test_two_runs_are_compared_question_by_question(tmp_path: Path, searcher: Searcher) -> None:
    """Against itself there is no difference and no doubt; other questions cannot be compared."""
    suite, digest = read_suite(written(tmp_path / "suite.yaml"))
    words = run_suite(suite, digest, searcher, "words")
    vectors = run_suite(suite, digest, searcher, "vectors")
    assert compare(words, words)["mrr@2"] == Measured(0.0, 0.0, 0.0)
    better = compare(words, vectors)["mrr@2"]
    assert better.value == pytest.approx(words.metrics["mrr@2"].value - vectors.metrics["mrr@2"].value)
    assert (better.lower or 0) <= better.value <= (better.upper or 0)
    other, other_digest = read_suite(written(tmp_path / "other.yaml", cases=CASES[:3]))
    with pytest.raises(InvalidSuite, match="same questions"):
        compare(words, run_suite(other, other_digest, searcher, "words"))


def test_a_limit_is_decided_only_beyond_chance() -> None:
    """By the ends of the interval; never of a few questions."""
    many = outcome([0.5] * 40)
    verdicts = [judge(many, {"mrr@10": limit}).verdict for limit in (0.3, 0.5, 0.7)]
    assert verdicts == [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    assert judge(outcome([0.5] * 29), {"mrr@10": 0.1}).verdict == Verdict.INCONCLUSIVE
    assert "0.500 (0.400 to 0.600) on 40 questions" in judge(many, {"mrr@10": 0.7}).reasons[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda suite: suite.pop("version"), "version"),
        (lambda suite: suite.update(k=0), "k is 0"),
        (lambda suite: suite.update(cases=[]), "no cases"),
        (lambda suite: suite.update(more=1), "more"),
        (lambda suite: suite.update(cases=[CASES[0], CASES[0]]), "'hunters' comes twice"),
        (lambda suite: suite.update(cases=[{**CASES[0], "relevant": []}]), "nothing that is relevant"),
        (lambda suite: suite.update(cases=[{**CASES[0], "relevant": {"a": 0}}]), "not above 0"),
        (lambda suite: suite.update(cases=[{**CASES[0], "question": " "}]), "no question"),
    ],
)
def test_a_suite_that_is_wrong_is_refused_whole(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    """With what is wrong, and an example."""
    suite = dict(SUITE)
    change(suite)
    path = tmp_path / "suite.json"
    path.write_text(json.dumps(suite), encoding="utf-8")
    with pytest.raises(InvalidSuite, match="is no suite") as told:
        read_suite(path)
    assert said in told.value.message


def test_limits_are_on_what_is_measured(tmp_path: Path) -> None:
    """At the suite's own depth, and between 0 and 1."""
    suite, _ = read_suite(written(tmp_path / "suite.yaml"))
    require_metrics(suite, {"recall@2": 0.5})
    for wrong in ({"recall@10": 0.5}, {"recall": 0.5}, {"mrr@2": 1.1}, {"mrr@2": float("nan")}):
        with pytest.raises(InvalidSuite, match="no limit"):
            require_metrics(suite, wrong)
    with pytest.raises(InvalidSuite, match=r"nowhere\.yaml"):
        read_suite(tmp_path / "nowhere.yaml")
