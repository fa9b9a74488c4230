"""How good an application's answers are: suites of cases, asking them, metrics, judges, limits.

Owns metrics of answers, judges and what makes one trusted, and sums over cases. Does not own starting servers
(`operations`), searching (`llm`'s retrieval suites) or people's labels (a file, or whoever keeps them).
"""

from .asking import Gateway, ask_suite
from .cases import AnswerCase, AnswerSuite, kind_of, read_answer_suite
from .judging import NO_ANSWER, VERDICT_SCHEMA, Judge, Judgment, judge_answers
from .labels import LEAST_KAPPA, LEAST_LABELS, Calibration, HumanLabel, calibrate, read_labels
from .measures import Measure, citations, measures, support
from .records import Answer, Asked, Fault, Retrieved, Trouble
from .scoring import ERRORS, JUDGE, Scored, Scorer, metric_named, require_scorers, score
from .squad import exact_match, normalised, token_f1
from .summing import Limit, Mean, better_by, by_case, by_tag, judge_differences, judge_limits, means, require_limits

__all__ = [
    "ERRORS",
    "JUDGE",
    "LEAST_KAPPA",
    "LEAST_LABELS",
    "NO_ANSWER",
    "VERDICT_SCHEMA",
    "Answer",
    "AnswerCase",
    "AnswerSuite",
    "Asked",
    "Calibration",
    "Fault",
    "Gateway",
    "HumanLabel",
    "Judge",
    "Judgment",
    "Limit",
    "Mean",
    "Measure",
    "Retrieved",
    "Scored",
    "Scorer",
    "Trouble",
    "ask_suite",
    "better_by",
    "by_case",
    "by_tag",
    "calibrate",
    "citations",
    "exact_match",
    "judge_answers",
    "judge_differences",
    "judge_limits",
    "kind_of",
    "means",
    "measures",
    "metric_named",
    "normalised",
    "read_answer_suite",
    "read_labels",
    "require_limits",
    "require_scorers",
    "score",
    "support",
    "token_f1",
]
