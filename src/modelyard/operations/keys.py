"""Operations on API keys."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission, Role, StoredKey, load_pepper, mint_key
from modelyard.core import InvalidInput, Micros, NotFound, did_you_mean, to_micros
from modelyard.storage import Transaction
from modelyard.wiring import KEYS, Project

from .contract import Call, Nothing, Option, operation

LONGEST_DAYS = 3650


@dataclass(frozen=True)
class CreateKey:
    """A key to make."""

    name: Annotated[str, Option("What the key is for.")]
    role: Annotated[str, Option("viewer, developer, approver, operator or service.")] = "service"
    deployment: Annotated[tuple[str, ...], Option("Only for this deployment; repeat for more.")] = ()
    expires_days: Annotated[int | None, Option("Days until it expires; never by default.")] = None


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
    now, days = call.project.clock.now(), call.input.expires_days
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"A key cannot expire in {days} days.", remedy=f"Choose 1 to {LONGEST_DAYS}.")
    token, stored = mint_key(
        call.input.name,
        Role(call.input.role),
        load_pepper(call.project.run_folder / "pepper"),
        now=to_micros(now),
        created_by=call.principal.name,
        deployments=call.input.deployment,
        expires_us=to_micros(now + timedelta(days=days)) if days is not None else None,
    )
    with call.project.records.transaction() as tx:
        _write(call, tx, stored, "key.create")
    call.project.publisher.publish()
    return {"key_id": stored.key_id, "role": stored.role.value, "key": token}


@operation("key", "list", Permission.OPERATE)
def list_keys(call: Call[Nothing]) -> Any:
    """The API keys, without their secrets."""
    now = to_micros(call.project.clock.now())
    return [
        {name: value for name, value in msgspec.to_builtins(each).items() if name != "digest"}
        | {"state": _state(each, now)}
        for each in _keys(call.project)
    ]


@operation("key", "revoke", Permission.OPERATE)
def revoke_key(call: Call[RevokeKey]) -> Any:
    """Revoke an API key; servers refuse it within a second."""
    known = {each.key_id: each for each in _keys(call.project)}
    if call.input.key_id not in known:
        raise NotFound(f"There is no key '{call.input.key_id}'.", remedy=did_you_mean(call.input.key_id, known))
    now: Micros = to_micros(call.project.clock.now())
    revoked = msgspec.structs.replace(known[call.input.key_id], revoked_us=now)
    with call.project.records.transaction() as tx:
        _write(call, tx, revoked, "key.revoke")
    call.project.publisher.publish()
    return {"key_id": revoked.key_id, "revoked": True}


def _state(key: StoredKey, now: Micros) -> str:
    if key.revoked_us is not None:
        return "revoked"
    return "expired" if key.expires_us is not None and key.expires_us <= now else "active"


def _keys(project: Project) -> list[StoredKey]:
    with project.records.snapshot() as view:
        return [msgspec.convert(each.body, StoredKey) for each in view.scan(KEYS)]


def _write(call: Call[Any], tx: Transaction, key: StoredKey, action: str) -> None:
    tx.put(KEYS, key.key_id, msgspec.to_builtins(key))
    call.project.audit.record(tx, call.principal, action, key.key_id, {"name": key.name, "role": key.role.value})
