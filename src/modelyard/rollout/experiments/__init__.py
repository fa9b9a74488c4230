"""A/B tests over files of units, arms and metrics, and over the live log: from rows to a verdict and a page.

Owns what is concluded and how it is said. Does not own the arithmetic (`stats.experiments`) or who is assigned to which
arm (`routing`).
"""

from .analysis import analyse_experiment, analyse_trial, parse_metric, question_of, refuse_names
from .live import BUILT_IN, LiveRows, Trial, live_rows
from .page import experiment_page
from .records import ExperimentReport, Found, Look, Metric, Question, Rows
from .settings import ExperimentSettings

__all__ = [
    "BUILT_IN",
    "ExperimentReport",
    "ExperimentSettings",
    "Found",
    "LiveRows",
    "Look",
    "Metric",
    "Question",
    "Rows",
    "Trial",
    "analyse_experiment",
    "analyse_trial",
    "experiment_page",
    "live_rows",
    "parse_metric",
    "question_of",
    "refuse_names",
]
