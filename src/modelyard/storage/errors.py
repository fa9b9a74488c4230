"""What can go wrong with the stores."""

from modelyard.core import Conflict, Damaged, InvalidInput, NotFound, Unavailable


class UnknownStore(InvalidInput):
    """The URL names no kind of store that exists."""

    code = "UNKNOWN_STORE"


class StoreUnavailable(Unavailable):
    """The store does not answer, or stayed busy too long."""

    code = "STORE_UNAVAILABLE"


class RevisionConflict(Conflict):
    """The document is not at the revision that was expected."""

    code = "REVISION_CONFLICT"


class SchemaTooNew(Conflict):
    """A newer Modelyard has brought the store to a schema that this one does not know."""

    code = "SCHEMA_TOO_NEW"


class StoreNotEmpty(Conflict):
    """What was to be filled holds something already."""

    code = "STORE_NOT_EMPTY"


class LeaseTaken(Conflict):
    """Another process does this now."""

    code = "LEASE_TAKEN"


class LeaseLost(Conflict):
    """Another process does this now, which this one did before."""

    code = "LEASE_LOST"


class ArtifactMissing(NotFound):
    """No bytes are stored under this digest."""

    code = "ARTIFACT_MISSING"


class ArtifactDamaged(Damaged):
    """The stored bytes do not have the digest they are stored under."""

    code = "ARTIFACT_DAMAGED"


class UnsafeTree(InvalidInput):
    """A folder holds a link or something else that is no regular file."""

    code = "UNSAFE_TREE"
