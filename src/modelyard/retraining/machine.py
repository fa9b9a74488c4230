"""The machine: which transitions a cycle may make, and to which state each leads."""

from collections.abc import Mapping
from types import MappingProxyType

from .records import Kind, Loop, State

LEADS_TO: Mapping[Kind, State] = MappingProxyType(
    {
        "triggered": "triggered", "training": "training", "retrying": "training", "gated": "gated",
        "registered": "registered", "approval": "approval", "rollout": "rollout", "rejected": "idle", "failed": "idle",
        "promoted": "idle", "shadow": "idle", "rolled_back": "idle",
    }
)  # fmt: skip
"""The state that each transition leads to."""

AFTER: Mapping[State, frozenset[Kind]] = MappingProxyType(
    {
        "idle": frozenset({"triggered"}),
        "triggered": frozenset({"training"}),
        "training": frozenset({"retrying", "gated", "rejected", "failed"}),
        "gated": frozenset({"registered", "failed"}),
        "registered": frozenset({"approval", "rollout", "rejected"}),
        "approval": frozenset({"rollout", "rejected"}),
        "rollout": frozenset({"promoted", "shadow", "rolled_back"}),
    }
)
"""The transitions that each state allows."""

ENDS: frozenset[Kind] = frozenset(kind for kind, state in LEADS_TO.items() if state == "idle")
"""The transitions that end a cycle."""


def check_transition(before: Loop, later: Loop, kind: Kind) -> None:
    """RuntimeError for a transition that the machine does not have: a mistake of ours, which writes nothing."""
    if kind not in AFTER[before.state] or LEADS_TO[kind] != later.state:
        raise RuntimeError(f"'{kind}' does not lead from {before.state} to {later.state}")
