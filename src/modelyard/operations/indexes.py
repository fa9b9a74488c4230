"""Indexes of documents, and suites of questions that they are measured with. They need files only."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import Failed, InvalidInput, NotFound, did_you_mean
from modelyard.inference import Embedder, load_embedder
from modelyard.llm import (
    Outcome,
    build_index,
    compare,
    judge,
    open_index,
    read_suite,
    require_metrics,
    run_suite,
    update_index,
    verify_index,
)
from modelyard.retrieval import MODES, Ask, Cutting, Mode, Searcher

from .limits import limit_of

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Query:
    """A question to an index; see `llm.Ask`."""

    home: Path
    embedder: Path
    text: str
    k: int = 10
    groups: tuple[str, ...] = ()
    mode: str = "hybrid"
    budget: int | None = None


@dataclass(frozen=True)
class Evaluation:
    """A suite for an index. `baseline`: another index or mode to compare with; `least` as METRIC=VALUE."""

    suite: Path
    home: Path
    embedder: Path
    mode: str = "hybrid"
    baseline: str | None = None
    least: tuple[str, ...] = ()
    output: Path | None = None


def build(
    home: Path,
    places: Sequence[Path],
    embedder: Path,
    *,
    cutting: Cutting,
    rules: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Build an index of documents."""
    made = build_index(home, places, _embedder(embedder), cutting=cutting, rules=_rules(rules), progress=progress)
    return {"index": str(home), **asdict(made)}


def update(
    home: Path,
    places: Sequence[Path],
    embedder: Path,
    *,
    remove: Sequence[str] = (),
    rules: Sequence[str] = (),
    pruning: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Bring an index up to date."""
    made = update_index(
        home,
        places,
        _embedder(embedder),
        remove=remove,
        rules=_rules(rules) if rules else None,
        pruning=pruning,
        progress=progress,
    )
    return {"index": str(home), **asdict(made)}


def query(given: Query) -> dict[str, Any]:
    """What answers a question, best first."""
    index = open_index(given.home)
    asked = Ask(given.text, given.k, given.groups, mode_of(given.mode), given.budget)
    found = Searcher(index, _embedder(given.embedder))(asked)
    return {
        "index": str(given.home),
        "digest": index.digest,
        "tokens": sum(each.tokens for each in found),
        "found": msgspec.to_builtins(found),
    }


def verify(home: Path, places: Sequence[Path], embedder: Path | None, *, sample: int) -> dict[str, Any]:
    """Compare an index with its digests, its sources and its embedder; Failed when something is not as it should be."""
    checked = verify_index(home, places, None if embedder is None else _embedder(embedder), sample=sample)
    if checked.wrong:
        raise Failed(
            f"The index in {home} is not what its sources and its embedder give: {'; '.join(checked.wrong[:5])}.",
            code="INDEX_WRONG",
            context={"wrong": checked.wrong[:100]},
            remedy="Build it again in another folder.",
        )
    facts = {name: each for name, each in asdict(checked).items() if name != "wrong"}
    return {"index": str(home), **facts, "verdict": "pass"}


def evaluate(given: Evaluation, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Ask an index every question of a suite; the metrics, what they are compared with, and the verdict on limits."""
    suite, digest = read_suite(given.suite)
    least = dict(limit_of(each) for each in given.least)
    require_metrics(suite, least)
    embedder, mode = _embedder(given.embedder), mode_of(given.mode)
    outcome = run_suite(suite, digest, Searcher(open_index(given.home), embedder), mode, progress)
    result: dict[str, Any] = msgspec.to_builtins(outcome)
    if given.baseline is not None:
        progress(f"asking {given.baseline}")
        home, other = _baseline(given.home, given.baseline, mode)
        base: Outcome = run_suite(suite, digest, Searcher(open_index(home), embedder), other, progress)
        result["baseline"] = {
            "index": base.index,
            "mode": base.mode,
            "metrics": msgspec.to_builtins(base.metrics),
            "better_by": msgspec.to_builtins(compare(outcome, base)),
        }
    if least:
        judgement = judge(outcome, least)
        result |= {"verdict": str(judgement.verdict), "reasons": list(judgement.reasons)}
    if given.output is not None:
        given.output.write_bytes(msgspec.json.format(msgspec.json.encode(result)))
    return result


def _embedder(folder: Path) -> Embedder:
    if not folder.is_dir():
        raise NotFound(
            f"There is no bundle {folder}.",
            code="NO_BUNDLE",
            remedy="Build the embedder: modelyard bundle build --path all-MiniLM-L6-v2 -o FOLDER",
        )
    return load_embedder(folder)


def mode_of(given: str) -> Mode:
    """The search of a name; InvalidInput gives the nearest."""
    if given not in MODES:
        raise InvalidInput(
            f"There is no search by '{given[:60]}'.", code="NO_MODE", remedy=did_you_mean(given[:60], MODES)
        )
    return given


def _baseline(home: Path, given: str, mode: Mode) -> tuple[Path, Mode]:
    """Another mode on the same index, or another index in the same mode."""
    return (home, mode_of(given)) if given in MODES else (Path(given), mode)


def _rules(given: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    rules = []
    for each in given:
        pattern, sign, groups = each.rpartition("=")
        if not sign:
            raise InvalidInput(
                f"The rule '{each[:120]}' names no groups.",
                code="WRONG_RULE",
                remedy="Write --allow 'staff/*=hr,board'.",
            )
        rules.append((pattern, tuple(group.strip() for group in groups.split(","))))
    return rules
