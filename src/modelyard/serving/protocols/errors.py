"""Why a protocol's request cannot be answered, beyond what `serving.errors` says."""

from modelyard.core import InvalidInput, NotFound


class NoSuchVersion(NotFound):
    """The deployment does not answer from the version, or label, that the path names."""

    code = "NO_SUCH_VERSION"


class NotOffered(InvalidInput):
    """A part of the protocol that has no meaning for these models."""

    code = "NOT_OFFERED"
