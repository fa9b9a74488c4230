"""The ground floor: names, ids, clock, errors, settings, verdict, logging, and files written atomically.

Owns what every room shares and nothing that knows about models. Imports no other room. `core.processes` (which
processes are ours), `core.locks` and `core.settings` (YAML and pydantic) are imported by their own names, so that a
room which needs none of them pays for none.
"""

from .clock import Clock, ManualClock, Micros, SystemClock, from_micros, to_micros
from .documents import json_text
from .errors import (
    Conflict,
    Damaged,
    Failed,
    Forbidden,
    InvalidInput,
    InvalidProjectFile,
    ModelyardError,
    NotFound,
    Unavailable,
    is_of_a_store,
    printable,
)
from .files import atomic_stream, atomic_write, make_folder, sync_folder, sync_tree
from .ids import IdSource, SeededIds, SystemIds, uuid7, uuids7
from .logging import configure_logging, log_event
from .names import (
    Digest,
    canonical_json,
    check_name,
    check_text,
    counted,
    did_you_mean,
    digest_of,
    is_name,
    nearest,
    shown,
)
from .values import ArmRole, Array, Scalar, Value
from .verdict import Judgement, Verdict

__all__ = [
    "ArmRole",
    "Array",
    "Clock",
    "Conflict",
    "Damaged",
    "Digest",
    "Failed",
    "Forbidden",
    "IdSource",
    "InvalidInput",
    "InvalidProjectFile",
    "Judgement",
    "ManualClock",
    "Micros",
    "ModelyardError",
    "NotFound",
    "Scalar",
    "SeededIds",
    "SystemClock",
    "SystemIds",
    "Unavailable",
    "Value",
    "Verdict",
    "atomic_stream",
    "atomic_write",
    "canonical_json",
    "check_name",
    "check_text",
    "configure_logging",
    "counted",
    "did_you_mean",
    "digest_of",
    "from_micros",
    "is_name",
    "is_of_a_store",
    "json_text",
    "log_event",
    "make_folder",
    "nearest",
    "printable",
    "shown",
    "sync_folder",
    "sync_tree",
    "to_micros",
    "uuid7",
    "uuids7",
]
