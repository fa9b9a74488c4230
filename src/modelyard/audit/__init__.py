"""Audit: the hash-chained record of who did what, its checkpoints and exports; intents with their reconciler.

Owns that a change is recorded before it is applied, and finished or undone after a crash; and that whoever edits the
record is found out. Does not own what changes mean: rooms above bring their handlers.
"""

from .chain import STREAM, AuditLog, AuditReport, Told
from .checkpoints import Checkpoint, Checkpoints
from .errors import AuditBroken, CheckpointsUnavailable, IntentUndone, NotAnExport
from .export import ExportReport, verify_export, write_export
from .intents import Intent, IntentHandler, Intents, Note
from .sinks import FileSink, ObjectSink, Sink, open_sink

__all__ = [
    "STREAM",
    "AuditBroken",
    "AuditLog",
    "AuditReport",
    "Checkpoint",
    "Checkpoints",
    "CheckpointsUnavailable",
    "ExportReport",
    "FileSink",
    "Intent",
    "IntentHandler",
    "IntentUndone",
    "Intents",
    "NotAnExport",
    "Note",
    "ObjectSink",
    "Sink",
    "Told",
    "open_sink",
    "verify_export",
    "write_export",
]
