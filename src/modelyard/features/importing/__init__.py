"""Feast's definitions, turned into definitions here. Needs no Feast: another interpreter may have it."""

from .loading import described_repository
from .records import Imported, Told
from .rendering import imported

__all__ = ["Imported", "Told", "described_repository", "imported"]
