"""What can be wrong with the log."""

from modelyard.core import Conflict, Damaged, Failed, InvalidInput, Unavailable


class CatalogDamaged(Damaged):
    """The file that says which files are the log is not what was written."""

    code = "LOG_CATALOG_DAMAGED"


class LogDamaged(Damaged):
    """Files of the log are missing or not what was written."""

    code = "LOG_DAMAGED"


class InvalidQuery(InvalidInput):
    """A query of the log that is no single SELECT, or names what is not there."""

    code = "INVALID_QUERY"


class QueryFailed(Failed):
    """A query was right, and could not be carried out."""

    code = "QUERY_FAILED"


class InvalidLabels(InvalidInput):
    """Labels that lack a column, or hold what is no instant or label."""

    code = "INVALID_LABELS"


class ExportExists(Conflict):
    """An export never replaces a file."""

    code = "EXPORT_EXISTS"


class ShippingInUse(Conflict):
    """Another process ships, or takes in, the same log."""

    code = "SHIPPING_IN_USE"


class UnknownDestination(InvalidInput):
    """What is given is neither the address of a stream nor of a folder that can be reached."""

    code = "UNKNOWN_DESTINATION"


class ObjectsUnavailable(Unavailable):
    """Object storage does not take a file of the log."""

    code = "OBJECTS_UNAVAILABLE"


class NotALogRecord(InvalidInput):
    """A message is no record of a prediction log."""

    code = "NOT_A_LOG_RECORD"
