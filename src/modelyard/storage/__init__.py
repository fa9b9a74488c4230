"""Stores: where decisions are kept (records) and where bytes are kept (artifacts).

Owns the two contracts, their drivers and the migrations, and leases on them. Does not own what is kept: each room has
its own kinds of documents and its own streams.
"""

from .contract import (
    ArtifactStore,
    ArtifactStream,
    Body,
    Document,
    Entry,
    Group,
    Labelled,
    RecordStore,
    Snapshot,
    Tally,
    Transaction,
)
from .errors import (
    ArtifactDamaged,
    ArtifactMissing,
    LeaseLost,
    LeaseTaken,
    RevisionConflict,
    SchemaTooNew,
    StoreNotEmpty,
    StoreUnavailable,
    UnknownStore,
    UnsafeTree,
)
from .fenced import FencedRecordStore
from .lease import Lease, LeaseRecord
from .open import open_artifact_store, open_record_store

__all__ = [
    "ArtifactDamaged",
    "ArtifactMissing",
    "ArtifactStore",
    "ArtifactStream",
    "Body",
    "Document",
    "Entry",
    "FencedRecordStore",
    "Group",
    "Labelled",
    "Lease",
    "LeaseLost",
    "LeaseRecord",
    "LeaseTaken",
    "RecordStore",
    "RevisionConflict",
    "SchemaTooNew",
    "Snapshot",
    "StoreNotEmpty",
    "StoreUnavailable",
    "Tally",
    "Transaction",
    "UnknownStore",
    "UnsafeTree",
    "open_artifact_store",
    "open_record_store",
]
