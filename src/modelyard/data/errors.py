"""What can be wrong with data."""

from modelyard.core import Failed, InvalidInput, NotFound


class UnreadableData(InvalidInput):
    """A file cannot be read as a table."""

    code = "UNREADABLE_DATA"


class DataFailed(Failed):
    """A declared check, or the leak check, says no."""

    code = "DATA_FAILED"


class DatasetVersionNotFound(NotFound):
    """No dataset, or no version of it, has this name."""

    code = "DATASET_VERSION_NOT_FOUND"


class CannotKeep(InvalidInput):
    """A promise that no value of a type can keep or break; the words say what cannot be."""

    code = "CANNOT_KEEP"
