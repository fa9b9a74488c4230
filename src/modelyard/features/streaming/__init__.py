"""Pushing: rows go to the online store and to the log, whether a caller has them or a stream brings them."""

from .push import Pusher
from .stream import StreamPushed, StreamPusher

__all__ = ["Pusher", "StreamPushed", "StreamPusher"]
