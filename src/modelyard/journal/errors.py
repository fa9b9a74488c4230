"""What can go wrong with the journal."""

from modelyard.core import Damaged, InvalidInput, Unavailable


class JournalUnavailable(Unavailable):
    """A record could not be written, so it must not be acknowledged."""

    code = "JOURNAL_UNAVAILABLE"


class Unrecordable(InvalidInput):
    """A record holds a value that the log could not give back, so it is refused before anything is written."""

    code = "UNRECORDABLE"


class NotASegment(Damaged):
    """The file does not begin like a segment of this format, and no whole frame of one is in it."""

    code = "NOT_A_SEGMENT"
