"""What can go wrong with streams."""

from modelyard.core import Conflict, InvalidInput, NotFound, Unavailable


class StreamUnavailable(Unavailable):
    """A broker does not answer, or refuses. What was being published may be there, in part or whole."""

    code = "STREAM_UNAVAILABLE"


class StreamDriverMissing(Unavailable):
    """The library that speaks to a broker is not installed."""

    code = "STREAM_DRIVER_MISSING"


class StreamNotFound(NotFound):
    """The broker has no stream of this name."""

    code = "STREAM_NOT_FOUND"


class InvalidStreamAddress(InvalidInput):
    """A text is no address of a stream."""

    code = "INVALID_STREAM_ADDRESS"


class InvalidMessage(InvalidInput):
    """A message cannot be published as it is; nothing of its call was."""

    code = "INVALID_MESSAGE"


class MessageTooLarge(InvalidMessage):
    """A message has more bytes than its stream takes; nothing of its call was published."""

    code = "MESSAGE_TOO_LARGE"


class GroupInUse(Conflict):
    """What was asked of a group needs that nobody consumes in it."""

    code = "GROUP_IN_USE"
