"""Operations on API keys."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission, Principal, Role, StoredKey, load_pepper, mint_key
from modelyard.core import Conflict, InvalidInput, Micros, NotFound, check_name, did_you_mean, from_micros, to_micros
from modelyard.core.durations import parse_duration
from modelyard.storage import Snapshot, Transaction
from modelyard.wiring import KEYS, Project

from .contract import Call, Nothing, Option, operation

LONGEST = timedelta(days=3650)
"""How long a key may count, unless it counts for ever."""

BOOTSTRAP_LASTS = timedelta(hours=1)


@dataclass(frozen=True)
class CreateKey:
    """A key to make."""

    name: Annotated[str, Option("What the key is for.")]
    role: Annotated[str, Option("viewer, developer, approver, operator or service.")] = "service"
    deployment: Annotated[tuple[str, ...], Option("Only for this deployment; repeat for more.")] = ()
    expires: Annotated[str | None, Option("How long it counts, such as 90d; for ever by default.")] = None
    group: Annotated[tuple[str, ...], Option("Group whose documents are retrieved for it; repeat for more.")] = ()


@dataclass(frozen=True)
class RotateKey:
    """A key to replace."""

    key_id: Annotated[str, Option("Id of the key, as `key list` shows it.", positional=True)]
    overlap: Annotated[str, Option("How long the old one still counts, such as 1h.")] = "1d"


@dataclass(frozen=True)
class RevokeKey:
    """A key to revoke."""

    key_id: Annotated[str, Option("Id of the key, as `key list` shows it.", positional=True)]


@operation("key", "create", Permission.OPERATE)
def create_key(call: Call[CreateKey]) -> Any:
    """Make an API key; it is shown this once."""
    roles = [role.value for role in Role]
    if call.input.role not in roles:
        raise InvalidInput(f"There is no role '{call.input.role}'.", remedy=did_you_mean(call.input.role, roles))
    for name in call.input.deployment:
        call.project.rollouts.settings(name)
    now = call.project.clock.now()
    lasts = None if call.input.expires is None else _lasting(call.input.expires)
    token, stored = mint_key(
        call.input.name,
        Role(call.input.role),
        load_pepper(call.project.run_folder / "pepper"),
        now=to_micros(now),
        created_by=call.principal.name,
        deployments=call.input.deployment,
        groups=tuple(check_name("group", each) for each in call.input.group),
        expires_us=None if lasts is None else to_micros(now + lasts),
    )
    with call.project.records.transaction() as tx:
        _write(call, tx, stored, "key.create")
    call.project.publisher.publish()
    return _shown(token, stored)


@operation("key", "list", Permission.OPERATE)
def list_keys(call: Call[Nothing]) -> Any:
    """The API keys, without their secrets: state, and when each was last used."""
    now, uses = to_micros(call.project.clock.now()), call.project.feed.uses()
    with call.project.records.snapshot() as view:
        keys = _keys(view)
    return [
        {name: value for name, value in msgspec.to_builtins(each).items() if name != "digest"}
        | {
            "state": _state(each, now),
            "last_used": _instant(uses.get(each.key_id)),
            "expires": _instant(each.expires_us),
        }
        for each in keys
    ]


@operation("key", "rotate", Permission.OPERATE)
def rotate_key(call: Call[RotateKey]) -> Any:
    """Make a key in place of another, shown this once; the old one counts for a while beside it."""
    now, overlap = to_micros(call.project.clock.now()), _lasting(call.input.overlap)
    pepper = load_pepper(call.project.run_folder / "pepper")
    with call.project.records.transaction() as tx:
        old = _known(tx, call.input.key_id)
        token, stored, ends = _rotated(old, pepper, now, overlap, call.principal)
        _write(call, tx, stored, "key.rotate")
        tx.put(KEYS, old.key_id, msgspec.to_builtins(msgspec.structs.replace(old, expires_us=ends)))
    call.project.publisher.publish()
    return _shown(token, stored) | {"replaces": old.key_id, "old_counts_until": _instant(ends)}


def _rotated(
    old: StoredKey, pepper: bytes, now: Micros, overlap: timedelta, principal: Principal
) -> tuple[str, StoredKey, Micros]:
    """A key like another, which lasts as long as that one was to, and when the other ends."""
    if _state(old, now) != "active" or old.once:
        raise Conflict(
            f"The key {old.key_id} is {_state(old, now)}: there is nothing to overlap with.",
            code="KEY_NOT_ACTIVE",
            context={"key": old.key_id},
            remedy=f"Make another: modelyard key create --name {old.name} --role {old.role}",
        )
    last = now + overlap // timedelta(microseconds=1)
    ends = Micros(last if old.expires_us is None else min(last, old.expires_us))
    token, stored = mint_key(
        old.name,
        old.role,
        pepper,
        now=now,
        created_by=principal.name,
        deployments=old.deployments,
        groups=old.groups,
        expires_us=None if old.expires_us is None else Micros(now + old.expires_us - old.created_us),
        replaces=old.key_id,
    )
    return token, stored, ends


@operation("key", "revoke", Permission.OPERATE)
def revoke_key(call: Call[RevokeKey]) -> Any:
    """Revoke an API key; servers refuse it within a second."""
    now: Micros = to_micros(call.project.clock.now())
    with call.project.records.transaction() as tx:
        revoked = msgspec.structs.replace(_known(tx, call.input.key_id), revoked_us=now)
        _write(call, tx, revoked, "key.revoke")
    call.project.publisher.publish()
    return {"key_id": revoked.key_id, "revoked": True}


def bootstrap_key(project: Project) -> str | None:
    """A key for the console's first hour, where it asks for keys and none counts; None where it is not needed.

    It is an operator's, and good for one request or one sign-in.
    """
    if project.settings.control.port is None or not project.settings.control.authentication:
        return None
    now = to_micros(project.clock.now())
    with project.records.transaction() as tx:
        if any(_state(each, now) == "active" for each in _keys(tx)):
            return None
        token, stored = mint_key(
            "bootstrap",
            Role.OPERATOR,
            load_pepper(project.run_folder / "pepper"),
            now=now,
            created_by=project.principal.name,
            expires_us=Micros(now + BOOTSTRAP_LASTS // timedelta(microseconds=1)),
            once=True,
        )
        tx.put(KEYS, stored.key_id, msgspec.to_builtins(stored))
        project.audit.record(tx, project.principal, "key.bootstrap", stored.key_id, {"role": stored.role.value})
    return token


def _lasting(written: str) -> timedelta:
    lasts = parse_duration(written)
    if lasts > LONGEST:
        raise InvalidInput(f"A key cannot count for {written}.", remedy=f"Choose at most {LONGEST.days}d.")
    return lasts


def _shown(token: str, stored: StoredKey) -> dict[str, Any]:
    """What is said of a new key, its token for the only time."""
    expires = _instant(stored.expires_us)
    return {"key_id": stored.key_id, "role": stored.role.value, "expires": expires, "key": token}


def _instant(at: Micros | None) -> str | None:
    return None if at is None else from_micros(at).isoformat()


def _known(view: Snapshot, key_id: str) -> StoredKey:
    known = {each.key_id: each for each in _keys(view)}
    if key_id not in known:
        raise NotFound(f"There is no key '{key_id[:80]}'.", remedy=did_you_mean(key_id, known))
    return known[key_id]


def _state(key: StoredKey, now: Micros) -> str:
    if key.revoked_us is not None:
        return "revoked"
    if key.spent_us is not None:
        return "spent"
    return "expired" if key.expires_us is not None and key.expires_us <= now else "active"


def _keys(view: Snapshot) -> list[StoredKey]:
    return [msgspec.convert(each.body, StoredKey) for each in view.scan(KEYS)]


def _write(call: Call[Any], tx: Transaction, key: StoredKey, action: str) -> None:
    tx.put(KEYS, key.key_id, msgspec.to_builtins(key))
    call.project.audit.record(tx, call.principal, action, key.key_id, {"name": key.name, "role": key.role.value})
