"""The prediction log beyond one machine: shipped through a stream or as files, and taken in on another machine."""

from .cursor import note_retired
from .ingest import Ingested, Ingester
from .objects import ObjectShipper
from .ship import Shipped, Shipper

TOPIC = "model_predictions"
"""The stream that records go through, unless it is named."""

GROUP = "modelyard-log"
"""The group in which they are taken in, unless it is named."""

__all__ = ["GROUP", "TOPIC", "Ingested", "Ingester", "ObjectShipper", "Shipped", "Shipper", "note_retired"]
