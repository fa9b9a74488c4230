"""Queues of answers that people judge, one at a time, without knowing whose they are.

Owns items, the order in which each person is shown them, labels with their history, and how far people agree. Does not
own where answers come from (`llm` evaluates them, `history` has the log), or pages (`console`).
"""

from .agreement import Agreement, ItemVotes, Pair, agreement_of
from .errors import InvalidItems, NoItem, NoQueue, OtherAnswer
from .from_log import COLUMNS, Sampled, sample_log
from .order import place_in_order
from .queues import Added, Queues
from .read import read_items
from .records import LABELS, MOST_ITEMS, Given, Item, Judged, JudgeLabel, JudgeLabelled, Progress, QueueInfo, Shown

__all__ = [
    "COLUMNS",
    "LABELS",
    "MOST_ITEMS",
    "Added",
    "Agreement",
    "Given",
    "InvalidItems",
    "Item",
    "ItemVotes",
    "JudgeLabel",
    "JudgeLabelled",
    "Judged",
    "NoItem",
    "NoQueue",
    "OtherAnswer",
    "Pair",
    "Progress",
    "QueueInfo",
    "Queues",
    "Sampled",
    "Shown",
    "agreement_of",
    "place_in_order",
    "read_items",
    "sample_log",
]
