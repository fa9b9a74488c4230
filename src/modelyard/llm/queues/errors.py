"""What can be wrong with queues of answers to be judged."""

from modelyard.core import Conflict, InvalidInput, NotFound


class InvalidItems(InvalidInput):
    """A file of answers cannot be judged as it is."""

    code = "INVALID_ITEMS"


class NoQueue(NotFound):
    """There is no queue of this name."""

    code = "NO_QUEUE"


class NoItem(NotFound):
    """The queue has no such item, or what it said was erased."""

    code = "NO_ITEM"


class OtherAnswer(Conflict):
    """An item of this name is in the queue already, with something else to be judged."""

    code = "OTHER_ANSWER"
