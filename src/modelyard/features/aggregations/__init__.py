"""Aggregations of events over sliding windows, as features of an entity over time."""

from .aggregation import Aggregation
from .view import AggregationView

__all__ = ["Aggregation", "AggregationView"]
