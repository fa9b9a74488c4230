"""History: features as they were, for rows in memory or for files of any size."""

from .files import HistoryWritten, Watch, write_history
from .tables import HistoricalFeatures, historical_features

__all__ = ["HistoricalFeatures", "HistoryWritten", "Watch", "historical_features", "write_history"]
