"""The demonstration of language models: our own pages answer questions, by a real model, through the real gateway.

Owns the questions, what they are asked of, and the promises that the run is held to. Does not own any part that keeps
them: embedder, index, gateway, guards, rollouts and caches are those that every project has.
"""

from .questions import HALVES, Question, Suite, read_questions
from .records import Check, Half, ManualSummary, Share, Told
from .run import ManualOptions, run_manual
from .upstream import DIGEST, find_model

__all__ = [
    "DIGEST",
    "HALVES",
    "Check",
    "Half",
    "ManualOptions",
    "ManualSummary",
    "Question",
    "Share",
    "Suite",
    "Told",
    "find_model",
    "read_questions",
    "run_manual",
]
