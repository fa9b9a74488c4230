"""What can go wrong with the journal."""

from modelyard.core import Damaged, Unavailable


class JournalUnavailable(Unavailable):
    """A record could not be written, so it must not be acknowledged."""

    code = "JOURNAL_UNAVAILABLE"


class NotASegment(Damaged):
    """The file does not begin like a segment of this format."""

    code = "NOT_A_SEGMENT"
