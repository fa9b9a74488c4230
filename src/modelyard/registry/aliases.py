"""Aliases: what each points at, who held it when, and what a move does to the version before."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from modelyard.access import Principal
from modelyard.core import InvalidInput, check_name, shown
from modelyard.storage import Snapshot, Transaction

from .versions import set_archived

_ALIASES = "alias"

STAGES: Mapping[str, str | None] = {
    "production": "production",
    "staging": "staging",
    "archived": None,
    "none": None,
}
"""MLflow's stages, in lower case, are a spelling of aliases; two of them mean 'no alias'."""

ARCHIVING = frozenset({"production", "staging"})
"""Whoever holds one of these is followed by another, and then archived."""

MoveKind = Literal["move", "rollback", "undo"]
"""Forward, back to who held it before, or taken back because it came to nothing."""


class Move(msgspec.Struct, frozen=True, rename={"before": "from"}):
    """One move of an alias: from which version to which, when, by whom and why; `source` tells outside changes.

    `archived`: the version that this archived; `revived`: whether the new holder was archived until then.
    """

    at: str
    alias: str
    before: int | None
    to: int | None
    by: str
    reason: str
    source: str = ""
    kind: MoveKind = "move"
    archived: int | None = None
    revived: bool = False


def alias_of(stage: str) -> str | None:
    """The alias that a stage name means, whatever its case; other names are aliases already."""
    return STAGES.get(stage.lower(), stage)


def check_alias(written: str) -> str:
    """The alias that was written, a stage's if it names one; InvalidInput for what cannot be one.

    Numbers, `v` with a number, and `latest` are how versions are called, here or in MLflow; `none` and `archived` mean
    no alias.
    """
    alias = alias_of(check_name("alias", written))
    bare = written.lower().removeprefix("v")
    if alias is None or written.lower() == "latest" or bare.isdecimal():
        raise InvalidInput(
            f"{shown(written)} cannot name an alias.",
            code="INVALID_NAME",
            context={"kind": "alias", "name": written[:40]},
            remedy="Numbers, v and a number, latest, none and archived mean something already; choose another word.",
        )
    return alias


def pointed_at(view: Snapshot, name: str, alias: str) -> int | None:
    """The version an alias points at now."""
    document = view.get(_ALIASES, f"{name}/{alias}")
    return int(document.body["version"]) if document is not None else None


def aliases_of(view: Snapshot, name: str) -> dict[str, int]:
    """The aliases of a model and the version each points at."""
    found = view.scan(_ALIASES, prefix=f"{name}/")
    return {each.key.partition("/")[2]: int(each.body["version"]) for each in found}


def all_holders(view: Snapshot) -> dict[str, dict[str, int]]:
    """The aliases of every model."""
    holders: dict[str, dict[str, int]] = {}
    for each in view.scan(_ALIASES):
        name, _, alias = each.key.partition("/")
        holders.setdefault(name, {})[alias] = int(each.body["version"])
    return holders


def point_alias(
    tx: Transaction,
    name: str,
    alias: str,
    to: int | None,
    *,
    at: str,
    principal: Principal,
    reason: str,
    kind: MoveKind = "move",
) -> Move:
    """Point an alias at a version, or at nothing, and note it in its history.

    Whom another follows in `production` or `staging` is archived with the same transaction, unless it holds another
    alias; who becomes a holder is archived no longer.
    """
    before = pointed_at(tx, name, alias)
    _write(tx, name, alias, to, at, principal)
    revived = to is not None and set_archived(tx, name, to, archived=False)
    archived = None
    if _gives_way(tx, name, alias, before, to) and set_archived(tx, name, before or 0, archived=True):
        archived = before
    move = Move(at, alias, before, to, principal.name, reason, principal.source, kind, archived, revived)
    tx.append(_stream(name), msgspec.to_builtins(move))
    return move


def take_back(tx: Transaction, name: str, made: Move, *, principal: Principal, reason: str) -> None:
    """Undo a move that came to nothing, unless the alias has moved on since."""
    if pointed_at(tx, name, made.alias) != made.to:
        return
    _write(tx, name, made.alias, made.before, made.at, principal)
    if made.archived is not None:
        set_archived(tx, name, made.archived, archived=False)
    if made.revived and made.to is not None:
        set_archived(tx, name, made.to, archived=True)
    undone = Move(made.at, made.alias, made.to, made.before, principal.name, reason, principal.source, "undo")
    tx.append(_stream(name), msgspec.to_builtins(undone))


def moves_of(view: Snapshot, name: str, *, after: int = 0) -> list[Move]:
    """Every move of an alias of a model beyond number `after`, oldest first."""
    return [msgspec.convert(each.body, Move) for each in view.entries(_stream(name), after=after)]


def last_move(view: Snapshot, name: str) -> int:
    """The number of a model's last move; 0 before the first."""
    last = view.entries(_stream(name), limit=1, descending=True)
    return last[0].seq if last else 0


def in_force_at(moves: Iterable[Move], at: datetime) -> list[Move]:
    """Of each alias that pointed at something at a time, the move that made it so."""
    latest: dict[str, Move] = {}
    for move in moves:
        if datetime.fromisoformat(move.at) <= at:
            latest[move.alias] = move
    return [move for _, move in sorted(latest.items()) if move.to is not None]


def previous_holders(moves: Iterable[Move], alias: str) -> list[int]:
    """Who held an alias before whoever holds it now, the latest first.

    What was rolled back is nobody's predecessor: after 1, 2, 3 and a rollback to 2, only 1 is left.
    """
    held: list[int] = []
    now: int | None = None
    for move in moves:
        if move.alias != alias:
            continue
        now = move.to
        if move.kind == "undo" and held and held[-1] == move.before:
            held.pop()
        if now is None:
            continue
        if move.kind == "rollback" and now in held:
            del held[len(held) - held[::-1].index(now) :]
        elif not held or held[-1] != now:
            held.append(now)
    earlier = held if now is None else held[:-1]
    return [number for number in dict.fromkeys(reversed(earlier)) if number != now]


def _write(tx: Transaction, name: str, alias: str, to: int | None, at: str, principal: Principal) -> None:
    if to is None:
        tx.delete(_ALIASES, f"{name}/{alias}")
    else:
        tx.put(_ALIASES, f"{name}/{alias}", {"version": to, "at": at, "by": principal.name})


def _gives_way(tx: Transaction, name: str, alias: str, before: int | None, to: int | None) -> bool:
    """Whether the holder before is archived: another follows it, and it holds nothing else."""
    if alias not in ARCHIVING or before is None or to is None or before == to:
        return False
    return before not in aliases_of(tx, name).values()


def _stream(name: str) -> str:
    return f"aliases/{name}"
