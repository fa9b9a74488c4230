"""What was counted for a rollout, as the record store keeps it beside the rollout."""

import msgspec

from modelyard.storage import RevisionConflict, Snapshot, Transaction

from .entities import Entities, packed, unpacked
from .errors import RolloutMovedOn
from .generated import THUMBS
from .reading import Cursor
from .records import Rollout
from .spread import Spread
from .tally import Tally

_KIND, _ENTITIES = "rollout_tally", "rollout_entities"
_CHUNKS = 50
"""So many pieces of entities are kept before they become one."""


class Counted(msgspec.Struct, frozen=True):
    """The tally of one rollout, how far the log was read for it, and until when labels were counted."""

    since: str
    tally: Tally
    cursor: Cursor = Cursor()
    chunks: int = 0
    labelled_us: int = 0
    spread: Spread = Spread()
    revision: int = msgspec.field(default=0)
    """Of the document it was read from; 0 before the first."""


def since_of(rollout: Rollout) -> str:
    """What a rollout counts for: itself, from a generation on. Handed over, it counts anew."""
    return f"{rollout.id}.{rollout.first_generation}"


def read_counted(view: Snapshot, rollout: Rollout) -> Counted:
    """What was counted for a rollout; nothing yet at its beginning."""
    document, since = view.get(_KIND, rollout.deployment), since_of(rollout)
    revision = document.revision if document is not None else 0
    if document is None or document.body["since"] != since:
        plan = rollout.plan
        quality = plan.label_window_s is not None and THUMBS not in plan.guardrails
        timed = plan.latency_objective_ms is not None
        tally = Tally.begin(plan.acceptable, quality=quality, timed=timed, also=plan.guardrails)
        return Counted(since, tally, revision=revision)
    return msgspec.structs.replace(msgspec.convert(document.body, Counted), revision=revision)


def read_entities(view: Snapshot, rollout: Rollout) -> Entities | None:
    """The entities that were counted; None where each request counts for itself."""
    if not rollout.plan.sticky:
        return None
    since = since_of(rollout)
    marks: dict[int, int] = {}
    for document in view.scan(_ENTITIES, prefix=f"{since}/"):
        marks |= unpacked(document.body["marks"])
    return Entities(since, marks)


def put_counted(tx: Transaction, rollout: Rollout, counted: Counted, entities: Entities | None) -> None:
    """Write down what was counted; RolloutMovedOn when somebody else has counted since it was read."""
    if entities is not None and entities.changed:
        _put_entities(tx, counted.since, counted.chunks, entities)
        chunks = counted.chunks + 1 if counted.chunks < _CHUNKS else 1
        counted = msgspec.structs.replace(counted, chunks=chunks)
    body = msgspec.to_builtins(msgspec.structs.replace(counted, revision=0))
    try:
        tx.put(_KIND, rollout.deployment, body, expect=counted.revision)
    except RevisionConflict as error:
        raise RolloutMovedOn(
            f"The requests of '{rollout.deployment}' were counted by another process in this moment.",
            context={"deployment": rollout.deployment, "rollout": rollout.id},
        ) from error


def forget_entities(tx: Transaction, rollout: Rollout) -> None:
    """Remove the entities of a rollout that is over."""
    for document in tx.scan(_ENTITIES, prefix=f"{since_of(rollout)}/"):
        tx.delete(_ENTITIES, document.key)


def _put_entities(tx: Transaction, since: str, chunks: int, entities: Entities) -> None:
    """Add what is new as a piece of its own; of many pieces make one."""
    if chunks < _CHUNKS:
        tx.put(_ENTITIES, f"{since}/{chunks:06d}", {"marks": packed(entities.changed)})
        return
    for document in tx.scan(_ENTITIES, prefix=f"{since}/"):
        tx.delete(_ENTITIES, document.key)
    tx.put(_ENTITIES, f"{since}/{0:06d}", {"marks": packed(entities.marks)})
