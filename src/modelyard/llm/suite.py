"""Suites: questions with what should be found, as a file that is versioned like code, and how well an index does."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import msgspec
import yaml

from modelyard.core import Digest, Judgement, Verdict, digest_of
from modelyard.retrieval import Ask, Mode, Searcher
from modelyard.stats import mean_interval

from .errors import InvalidSuite
from .metrics import METRICS

FEW = 30
"""Below so many questions an interval of a mean is not to be relied on, and no limit is decided."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, the sources that answer it with how relevant each is (1 where only named), and who asks."""

    id: str
    question: str
    relevant: dict[str, float] | list[str]
    groups: tuple[str, ...] = ()

    @property
    def judged(self) -> dict[str, float]:
        return dict.fromkeys(self.relevant, 1.0) if isinstance(self.relevant, list) else self.relevant


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite of retrieval: its `cases`, asked for `k` sources each."""

    suite: str
    version: str
    cases: tuple[Case, ...]
    k: int = 10
    kind: Literal["retrieval"] = "retrieval"


class Measured(msgspec.Struct, frozen=True):
    """The mean of a metric, and an interval of 95% that holds it (None of fewer than two questions)."""

    value: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Outcome:
    """How well an index answers a suite. `per_case` has every metric of every question, by id."""

    suite: str
    version: str
    digest: Digest
    index: Digest
    mode: Mode
    cases: int
    metrics: dict[str, Measured]
    per_case: dict[str, dict[str, float]]
    unknown: list[str] = field(default_factory=list)


def read_suite(path: Path) -> tuple[Suite, Digest]:
    """The suite in a file of YAML or JSON, and the digest of its bytes; InvalidSuite says what is wrong with it."""
    try:
        data = path.read_bytes()
        suite = msgspec.convert(yaml.safe_load(data), type=Suite)
    except (OSError, yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise _invalid(path, str(error).partition("\n")[0]) from error
    wrong = list(_wrong(suite))
    if wrong:
        raise _invalid(path, "; ".join(wrong[:10]))
    return suite, digest_of(data)


def run_suite(
    suite: Suite,
    digest: Digest,
    searcher: Searcher,
    mode: Mode = "hybrid",
    progress: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Ask every question, and measure which sources come first. A source ranks where its best chunk does."""
    per_case: dict[str, dict[str, float]] = {}
    unknown: set[str] = set()
    for at, case in enumerate(suite.cases):
        if at % 100 == 0:
            progress(f"asking {at + 1} of {len(suite.cases)} questions")
        asked = Ask(case.question, k=100, groups=case.groups, mode=mode)
        found = list(dict.fromkeys(each.citation.source for each in searcher(asked)))
        unknown.update(set(case.judged) - set(searcher.index.documents))
        per_case[case.id] = {
            f"{name}@{suite.k}": measure(found, case.judged, suite.k) for name, measure in METRICS.items()
        }
    names = [f"{name}@{suite.k}" for name in METRICS]
    metrics = {name: _measured([each[name] for each in per_case.values()]) for name in names}
    return Outcome(
        suite.suite,
        suite.version,
        digest,
        searcher.index.digest,
        mode,
        len(per_case),
        metrics,
        per_case,
        sorted(unknown),
    )


def compare(outcome: Outcome, other: Outcome) -> dict[str, Measured]:
    """How much better `outcome` is than `other` on the same questions, with paired intervals."""
    if list(outcome.per_case) != list(other.per_case) or outcome.digest != other.digest:
        raise InvalidSuite("The two were not asked the same questions.", remedy="Run both on one suite.")
    return {
        name: _measured(
            [each[name] - other.per_case[case][name] for case, each in outcome.per_case.items()],
        )
        for name in outcome.metrics
    }


def judge(outcome: Outcome, least: Mapping[str, float]) -> Judgement:
    """Whether each metric is surely at least what `least` asks: by the lower end of its interval.

    `fail` when one is surely below, `inconclusive` when chance could decide, or below 30 questions.
    """
    parts = []
    for name, limit in least.items():
        found = outcome.metrics[name]
        verdict = _verdict(found, limit, outcome.cases)
        span = "" if found.lower is None else f" ({found.lower:.3f} to {found.upper:.3f})"
        reason = f"{name} is {found.value:.3f}{span} on {outcome.cases} questions, asked for {limit:g}: {verdict}"
        parts.append(Judgement(verdict, (reason,)))
    return Judgement.all_of(parts)


def require_metrics(suite: Suite, least: Mapping[str, float]) -> None:
    """InvalidSuite for a limit on what is not measured, or one that no value can be compared with."""
    names = [f"{name}@{suite.k}" for name in METRICS]
    for name, limit in least.items():
        if name not in names or not 0 <= limit <= 1:
            raise InvalidSuite(
                f"There is no limit '{name}={limit:g}'.", remedy=f"Limits in [0, 1] on: {', '.join(names)}."
            )


def _verdict(found: Measured, limit: float, cases: int) -> Verdict:
    if found.lower is None or found.upper is None or cases < FEW:
        return Verdict.INCONCLUSIVE
    if found.lower >= limit:
        return Verdict.PASS
    return Verdict.FAIL if found.upper < limit else Verdict.INCONCLUSIVE


def _measured(values: Sequence[float]) -> Measured:
    ends = mean_interval(values)
    return Measured(fmean(values), *(ends or (None, None)))


def _wrong(suite: Suite) -> list[str]:
    wrong: list[str] = []
    if not suite.cases:
        wrong.append("it has no cases")
    if not 1 <= suite.k <= 100:
        wrong.append(f"k is {suite.k}, not 1 to 100")
    seen: set[str] = set()
    for case in suite.cases:
        if case.id in seen:
            wrong.append(f"case '{case.id}' comes twice")
        seen.add(case.id)
        if not case.question.strip() or not case.judged:
            wrong.append(f"case '{case.id}' has no question, or nothing that is relevant")
        if any(not (math.isfinite(gain) and gain > 0) for gain in case.judged.values()):
            wrong.append(f"case '{case.id}' has a relevance that is not above 0")
    return wrong


def _invalid(path: Path, what: str) -> InvalidSuite:
    example: dict[str, Any] = {"id": "expiry", "question": "When does an approval expire?", "relevant": ["approve.md"]}
    return InvalidSuite(
        f"{path} is no suite: {what}.",
        context={"file": str(path)},
        remedy=f"It has `suite`, `version`, optionally `k`, and `cases` such as {example}.",
    )
