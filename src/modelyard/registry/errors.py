"""What can go wrong in the registry."""

from modelyard.core import Conflict, Forbidden, NotFound


class ModelVersionNotFound(NotFound):
    """No such model, version, label or alias."""

    code = "MODEL_VERSION_NOT_FOUND"


class AlreadyRegistered(Conflict):
    """The label is taken."""

    code = "ALREADY_REGISTERED"


class NotServable(Forbidden):
    """The version may not serve: a gate failed, or it has no bundle."""

    code = "NOT_SERVABLE"
