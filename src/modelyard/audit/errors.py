"""What can go wrong with intents, and with the record of what was done."""

from modelyard.core import Damaged, InvalidInput, Unavailable


class IntentUndone(Unavailable):
    """A recorded change could not be applied and was taken back."""

    code = "INTENT_UNDONE"


class AuditBroken(Damaged):
    """The audit record is not what was written."""

    code = "AUDIT_BROKEN"


class CheckpointsUnavailable(Unavailable):
    """The place of the checkpoints cannot be read, or written."""

    code = "CHECKPOINTS_UNAVAILABLE"


class NotAnExport(InvalidInput):
    """The file is no export of an audit record."""

    code = "NOT_AN_EXPORT"
