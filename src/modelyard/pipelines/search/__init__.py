"""Hyperparameter search inside a step, on Optuna: parallel, pruned, resumable, with pictures of the study.

Needs the extra `search`.
"""

from .result import SearchResult, TrialRecord
from .search import search

__all__ = ["SearchResult", "TrialRecord", "search"]
