"""Triggers: what calls for retraining, each alone and combined by `any` and `all`.

Owns what a trigger says of what was seen. Does not own whether the loop may act on it: that is the policy's.
"""

from .judge import judge
from .seen import ChangedSources, Documents, RowsSince, Seen
from .settings import Condition

__all__ = ["ChangedSources", "Condition", "Documents", "RowsSince", "Seen", "judge"]
