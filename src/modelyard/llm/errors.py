"""What can be wrong with documents, indexes and suites."""

from modelyard.core import Conflict, InvalidInput, NotFound, Unavailable


class UnreadableDocument(InvalidInput):
    """A source is of no kind that is read, or is not what its name says."""

    code = "UNREADABLE_DOCUMENT"


class NoIndex(NotFound):
    """There is no index in the folder, or none by this digest."""

    code = "NO_INDEX"


class IndexExists(Conflict):
    """The folder holds an index already."""

    code = "INDEX_EXISTS"


class InvalidSuite(InvalidInput):
    """A suite of cases cannot be used as it is."""

    code = "INVALID_SUITE"


class NoTextLibrary(Unavailable):
    """A library for texts is not installed."""

    code = "NO_TEXT_LIBRARY"
