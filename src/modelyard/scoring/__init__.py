"""Scoring: the answers of a bundle to files of any size, and to streams.

Owns batch and stream inference: reading rows into the matrix a model reads, adding its answers, and doing so again
after a crash with the same result. Does not own the model (`inference`), the files' formats when they are read
(`data`), the join of features (`features`) or brokers (`streams`).
"""

from .answers import MODEL_VERSION, PREDICTED_AT, PREDICTION, PREDICTION_ID, score_names
from .batch import PART_ROWS, score_batch
from .columns import ColumnEncoder, EncodedColumns, numbers_of_text
from .enrich import PointInTime
from .errors import BadRow, JobCutOff, NotScorable, OutputTaken
from .records import BatchDone, BatchJob, Enrichment, LogInto, OnBadRow, Progress, Watch
from .spread import EnrichThere, Spread
from .stream import StreamScored, StreamScorer, WatchStream

__all__ = [
    "MODEL_VERSION",
    "PART_ROWS",
    "PREDICTED_AT",
    "PREDICTION",
    "PREDICTION_ID",
    "BadRow",
    "BatchDone",
    "BatchJob",
    "ColumnEncoder",
    "EncodedColumns",
    "EnrichThere",
    "Enrichment",
    "JobCutOff",
    "LogInto",
    "NotScorable",
    "OnBadRow",
    "OutputTaken",
    "PointInTime",
    "Progress",
    "Spread",
    "StreamScored",
    "StreamScorer",
    "Watch",
    "WatchStream",
    "numbers_of_text",
    "score_batch",
    "score_names",
]
