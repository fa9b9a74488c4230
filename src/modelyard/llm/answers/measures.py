"""Metrics of one answer, each with the cases that it is about, which way is better, and the worst it can be."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelyard.guards import Context, SupportGuard

from ..metrics import METRICS
from .cases import AnswerCase, AnswerSuite
from .records import Answer
from .squad import exact_match, normalised, token_f1

Of = Callable[[AnswerCase, Answer], float | None]
"""What an answer comes to; None where nothing tells."""

_GUARD = SupportGuard()
_CURLY, _PLAIN_QUOTE = "\u2019", "'"
_MARK = re.compile(r"\s?\[([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\]")


@dataclass(frozen=True)
class Measure:
    """A metric of answers to cases that it `applies` to. `worst` is what an answer that did not come counts as where
    limits and comparisons ask; None of metrics without a bound. `higher`: whether more of it is better.
    """

    of: Of
    applies: Callable[[AnswerCase], bool]
    worst: float | None
    higher: bool = True


def measures(suite: AnswerSuite) -> dict[str, Measure]:
    """The metrics of a suite's answers by name."""
    return {
        "exact_match": Measure(lambda case, it: exact_match(_plain(it), case.right), _expects, 0.0),
        "f1": Measure(lambda case, it: token_f1(_plain(it), case.right), _expects, 0.0),
        "support": Measure(lambda _, it: support(it), _is_answerable, 0.0),
        "citation_recall": Measure(_citation_recall, _has_sources, 0.0),
        "citation_precision": Measure(_citation_precision, _has_sources, 0.0),
        **{f"{name}@{suite.k}": Measure(_ranked(name, suite.k), _has_sources, 0.0) for name in METRICS},
        "right_abstention": Measure(_abstention(suite), lambda case: not case.answerable, 0.0),
        "false_abstention": Measure(_abstention(suite), _is_answerable, 1.0, higher=False),
        "cost_micros": Measure(lambda _, it: _number(it.cost_micros), _always, None, higher=False),
        "input_tokens": Measure(lambda _, it: _number(it.input_tokens), _always, None, higher=False),
        "output_tokens": Measure(lambda _, it: _number(it.output_tokens), _always, None, higher=False),
        "latency_s": Measure(lambda _, it: it.latency_s, _always, None, higher=False),
    }


def support(answer: Answer) -> float | None:
    """The share of an answer's sentences that rest on what was retrieved, in [0, 1]; see `guards.SupportGuard`.

    None where the retrieved texts are not told, and for an answer without a sentence that says something, such as one
    that abstains.
    """
    if answer.texts is None or answer.text is None:
        return None
    said = len(_GUARD.open(Context()).end(answer.text))  # without chunks every sentence that says something is claimed
    return 1 - len(_GUARD.open(Context(answer.texts)).end(answer.text)) / said if said else None


def citations(answer: Answer) -> list[str | None] | None:
    """The sources that an answer cites, each once; None for a mark `[n]` beyond what was retrieved.

    As annotations name them, else by marks; None altogether where nothing tells what was retrieved.
    """
    if answer.cited is not None:
        return list(dict.fromkeys(answer.cited))
    if answer.retrieved is None or answer.text is None:
        return None
    marks = [int(each) for found in _MARK.findall(answer.text) for each in found.split(",")]
    sources = [each.source for each in answer.retrieved]
    return list(dict.fromkeys(sources[at - 1] if 1 <= at <= len(sources) else None for at in marks))


def _citation_recall(case: AnswerCase, answer: Answer) -> float | None:
    """The share of the relevant sources that are cited."""
    cited = citations(answer)
    return None if cited is None else sum(each in case.judged for each in cited) / len(case.judged)


def _citation_precision(case: AnswerCase, answer: Answer) -> float | None:
    """The share of the cited sources that are relevant; of an answer that cites nothing there is none."""
    cited = citations(answer)
    return sum(each in case.judged for each in cited) / len(cited) if cited else None


def _ranked(name: str, k: int) -> Of:
    """A metric of retrieval, of the sources in the order of their best chunks."""

    def of(case: AnswerCase, answer: Answer) -> float | None:
        if answer.retrieved is None:
            return None
        return METRICS[name](list(dict.fromkeys(each.source for each in answer.retrieved)), case.judged, k)

    return of


def _abstention(suite: AnswerSuite) -> Of:
    """1 where an answer abstains, as the application tells it, else by the suite's phrases."""
    phrases = [f" {normalised(each)} " for each in suite.abstains]

    def of(_: AnswerCase, answer: Answer) -> float | None:
        if answer.abstained is not None:
            return float(answer.abstained)
        return _has_any(answer.text or "", phrases) if phrases else None

    return of


def _has_any(text: str, phrases: Sequence[str]) -> float:
    words = f" {normalised(text.replace(_CURLY, _PLAIN_QUOTE))} "
    return float(any(each in words for each in phrases))


def _plain(answer: Answer) -> str:
    """The text, without marks of citations where there is something to cite."""
    text = answer.text or ""
    return text if answer.retrieved is None else _MARK.sub("", text)


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


def _expects(case: AnswerCase) -> bool:
    return bool(case.right)


def _is_answerable(case: AnswerCase) -> bool:
    return case.answerable


def _has_sources(case: AnswerCase) -> bool:
    return bool(case.judged)


def _always(_: AnswerCase) -> bool:
    return True
