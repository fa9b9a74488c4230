"""The model card: one version's facts, told to somebody who is to decide whether to use it.

The sections follow Mitchell et al., "Model Cards for Model Reporting", FAT* 2019. Owns the card's shape, its text and
its page. Does not own finding the facts: records of many rooms are read for that. What is not on record is said so.
"""

from .markdown import card_markdown
from .page import card_page
from .records import Approval, BuildFacts, Card, DataFacts, Declaration, Moved, Training

__all__ = [
    "Approval",
    "BuildFacts",
    "Card",
    "DataFacts",
    "Declaration",
    "Moved",
    "Training",
    "card_markdown",
    "card_page",
]
