"""The code of steps: names of it that every process understands, and fingerprints of all that a step calls.

Owns nothing that runs; does not own loading files (`data.load_module`).
"""

from .fingerprint import fingerprint
from .freshness import forget_changed, generation_of, mentions
from .names import ProjectNames

__all__ = ["ProjectNames", "fingerprint", "forget_changed", "generation_of", "mentions"]
