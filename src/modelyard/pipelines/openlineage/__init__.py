"""OpenLineage: what runs read and wrote, told to whoever collects lineage (https://openlineage.io, spec 2-0-2).

Owns the events and their way out. Does not own the records that they are made of.
"""

from .events import Origins, Registered, dataset_event, run_events
from .observer import TellsLineage
from .sender import FileReceiver, HttpReceiver, Receiver, Sender
from .settings import LineageSettings, receiver_of

__all__ = [
    "FileReceiver",
    "HttpReceiver",
    "LineageSettings",
    "Origins",
    "Receiver",
    "Registered",
    "Sender",
    "TellsLineage",
    "dataset_event",
    "receiver_of",
    "run_events",
]
