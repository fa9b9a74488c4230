"""Adopting: from a model and data that exist to a project that serves and watches the model."""

from .adopt import adopt, adopt_told
from .records import Adopted, Wanted

__all__ = ["Adopted", "Wanted", "adopt", "adopt_told"]
