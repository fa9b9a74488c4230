"""Audit: the hash-chained record of who did what, and intents with their reconciler.

Owns that a change is recorded before it is applied, and finished or undone after a crash. Does not own what changes
mean: rooms above bring their handlers.
"""

from .chain import AuditLog, AuditReport
from .errors import IntentUndone
from .intents import Intent, IntentHandler, Intents, Note

__all__ = ["AuditLog", "AuditReport", "Intent", "IntentHandler", "IntentUndone", "Intents", "Note"]
