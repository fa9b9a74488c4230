"""Suites of answers from the command line; one command, and the file says of which kind it is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.testing import FaultyUpstream, faulty_upstream

from .conftest import Command


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    """What speaks OpenAI's API, and repeats what it is told."""
    with faulty_upstream() as running:
        yield running


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A suite of 40 cases, of which 30 are answered as expected."""
    monkeypatch.chdir(tmp_path)
    cases = [{"id": f"q{at}", "question": "yes", "expected": "yes" if at < 30 else "no"} for at in range(40)]
    Path("suite.json").write_text(json.dumps({"kind": "answers", "suite": "s", "version": "1", "cases": cases}))
    return "suite.json"


def test_a_suite_of_answers_is_judged(upstream: FaultyUpstream, suite: str, modelyard: Command) -> None:
    """0 when limits are surely met, 1 when surely not, 6 when chance decides; a table, or one document."""
    given = ("llm", "eval", suite, "--url", upstream.url, "--deployment")
    codes = [modelyard(*given, "answer", "--least", f"exact_match={limit}")[0] for limit in (0.5, 0.75, 0.95)]
    assert codes == [0, 6, 1]
    code, out, err = modelyard(*given, "answer", "--baseline", "cut", "--repeat", "2", "-o", "out.json")
    assert code == 0
    assert "asking 1 of 80" in err
    assert [word in out for word in ("exact_match", "better by", "spread", "baseline")] == [True] * 4
    assert len(json.loads(Path("out.json").read_text())["answers"]) == 80
    found = json.loads(modelyard(*given, "answer", "--most", "errors=0.2", "--json")[1])
    assert (found["verdict"], found["metrics"]["exact_match"]["value"]) == ("pass", 0.75)
    code, _, err = modelyard(*given, "half-json", "--least", "f1=0.5")
    assert code == 6
    assert "error in errors of q0" in err
    assert "and 35 more errors" in err


def test_options_of_the_other_kind_are_refused(upstream: FaultyUpstream, suite: str, modelyard: Command) -> None:
    """By name; a suite of retrieval says what it needs, as it always did."""
    code, _, err = modelyard("llm", "eval", suite, "--index", "index", "--mode", "words")
    assert code == 2
    assert "--index, --mode: only for suites of retrieval" in err
    Path("old.json").write_text('{"suite": "s", "version": "1", "cases": []}')
    code, _, err = modelyard("llm", "eval", "old.json", "--at-once", "2", "--deployment", "x")
    assert code == 2
    assert "--deployment, --at-once: only for suites of answers" in err
    code, _, err = modelyard("llm", "eval", "old.json", "--embedder", "x")
    assert code == 2
    assert "needs --index" in err
    assert modelyard("llm", "eval", suite)[0] == 2
    assert modelyard("llm", "eval", suite, "--application", "desk", "--version", "1")[0] == 2
