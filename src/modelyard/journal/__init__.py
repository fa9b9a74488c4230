"""The journal: what the data plane writes down before it answers.

Owns the records, their segments and appending. Does not own reading over time, joining or sealing: that is `history`.
"""

from .append import Durability, Journal
from .errors import JournalUnavailable, NotASegment
from .frames import FAMILIES, SegmentRead, decode_segment, encode_frames, family_of
from .records import ErrorClass, Family, OutcomeRecord, PredictionRecord, Record, SketchRecord, TruthRecord
from .segments import Segment, adopt_orphans, read_segment, segments

__all__ = [
    "FAMILIES",
    "Durability",
    "ErrorClass",
    "Family",
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
    "adopt_orphans",
    "decode_segment",
    "encode_frames",
    "family_of",
    "read_segment",
    "segments",
]
