"""Streams: messages between processes and machines, over Kafka, NATS JetStream, Redis streams or a local file.

Owns publishing, consuming in groups, acknowledging, redelivery, dead letters and lag, by one contract over all
brokers. Does not own what the messages say: records and rows are their room's.
"""

from .address import StreamAddress, is_stream_address, without_password
from .consumer import Consumer
from .contract import Broker, Feed
from .errors import (
    GroupInUse,
    InvalidMessage,
    InvalidStreamAddress,
    MessageTooLarge,
    StreamDriverMissing,
    StreamNotFound,
    StreamUnavailable,
)
from .open import open_stream
from .records import ConsumerOptions, Delivery, Lag, Message
from .stream import DEAD, Stream

__all__ = [
    "DEAD",
    "Broker",
    "Consumer",
    "ConsumerOptions",
    "Delivery",
    "Feed",
    "GroupInUse",
    "InvalidMessage",
    "InvalidStreamAddress",
    "Lag",
    "Message",
    "MessageTooLarge",
    "Stream",
    "StreamAddress",
    "StreamDriverMissing",
    "StreamNotFound",
    "StreamUnavailable",
    "is_stream_address",
    "open_stream",
    "without_password",
]
