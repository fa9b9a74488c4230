"""What can go wrong in the registry."""

from modelyard.core import Conflict, Forbidden, NotFound


class ModelVersionNotFound(NotFound):
    """No such model, version, label or alias."""

    code = "MODEL_VERSION_NOT_FOUND"


class AlreadyRegistered(Conflict):
    """The label is taken, or the number."""

    code = "ALREADY_REGISTERED"


class NotServable(Forbidden):
    """The version may not serve: a gate failed, it has no bundle, or an approval is missing."""

    code = "NOT_SERVABLE"


class NeedsApproval(NotServable):
    """Nothing but an approval is missing."""

    code = "NEEDS_APPROVAL"


class MayNotApprove(Forbidden):
    """This principal's approval would not count: the author's, the requester's, or one of another role."""

    code = "MAY_NOT_APPROVE"


class NothingToApprove(Conflict):
    """No approval is asked for, none can be given, or it was rejected."""

    code = "NOTHING_TO_APPROVE"
