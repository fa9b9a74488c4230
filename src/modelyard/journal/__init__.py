"""The journal: what the data plane writes down before it answers.

Owns the records, their segments and appending. Does not own reading over time, joining or sealing: that is `history`.
"""

from .append import Durability, Journal
from .errors import JournalUnavailable, NotASegment, Unrecordable
from .frames import FAMILIES, MAX_RECORD, Damage, SegmentRead, decode_segment, family_of
from .records import (
    EMBEDDED,
    REDACTED,
    ErrorClass,
    Family,
    Generated,
    Guarded,
    OutcomeRecord,
    PredictionRecord,
    Record,
    SketchRecord,
    TruthRecord,
)
from .segments import DAMAGED, SUFFIX, Segment, claimed, quarantined, read_segment, segments
from .writing import write_segment

__all__ = [
    "DAMAGED",
    "EMBEDDED",
    "FAMILIES",
    "MAX_RECORD",
    "REDACTED",
    "SUFFIX",
    "Damage",
    "Durability",
    "ErrorClass",
    "Family",
    "Generated",
    "Guarded",
    "Journal",
    "JournalUnavailable",
    "NotASegment",
    "OutcomeRecord",
    "PredictionRecord",
    "Record",
    "Segment",
    "SegmentRead",
    "SketchRecord",
    "TruthRecord",
    "Unrecordable",
    "claimed",
    "decode_segment",
    "family_of",
    "quarantined",
    "read_segment",
    "segments",
    "write_segment",
]
