"""What can go wrong with scoring."""

from modelyard.core import Conflict, Failed, InvalidInput


class BadRow(Failed):
    """A row that the model does not take, where the caller wants to hear of it and not go on."""

    code = "BAD_ROW"


class NotScorable(InvalidInput):
    """The input lacks what the model takes, has a column that scoring adds, or cannot be written as asked."""

    code = "NOT_SCORABLE"


class JobCutOff(Conflict):
    """A job that was cut off left its parts, or what they were made of has changed since."""

    code = "JOB_CUT_OFF"


class OutputTaken(Conflict):
    """The output exists, or another process is writing it."""

    code = "OUTPUT_TAKEN"
