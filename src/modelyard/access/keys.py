"""API keys: random 256-bit tokens, known at rest only by their HMAC-SHA-256 under the workspace's pepper."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Protocol

from modelyard.core import Micros, check_name

from .errors import NotAuthenticated
from .records import Principal, Role, StoredKey

_PREFIX = "my"


class KnownKey(Protocol):
    """An API key as whoever checks it knows it."""

    @property
    def key_id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def deployments(self) -> tuple[str, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def expires_us(self) -> Micros | None: ...


def load_pepper(file: Path) -> bytes:
    """The workspace's 32-byte pepper, made on first use with mode 0600. Two processes at once get the same one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=file.parent) as fresh, suppress(FileExistsError):
            fresh.write(secrets.token_bytes(32))
            fresh.flush()
            os.link(fresh.name, file)  # whole or not at all, and the first one wins
    return file.read_bytes()


def mint_key(
    name: str,
    role: Role,
    pepper: bytes,
    *,
    now: Micros,
    created_by: str,
    deployments: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    expires_us: Micros | None = None,
    replaces: str = "",
    once: bool = False,
) -> tuple[str, StoredKey]:
    """A new token, to be shown once, and what is stored of it."""
    key_id = secrets.token_hex(6)
    token = f"{_PREFIX}_{key_id}_{secrets.token_hex(32)}"
    stored = StoredKey(
        key_id=key_id,
        name=check_name("key", name),
        role=role,
        digest=token_digest(token, pepper),
        created_us=now,
        created_by=created_by,
        deployments=deployments,
        groups=groups,
        expires_us=expires_us,
        replaces=replaces,
        once=once,
    )
    return token, stored


def token_digest(token: str, pepper: bytes) -> str:
    """HMAC-SHA-256 of a token, hexadecimal."""
    return hmac.new(pepper, token.encode(), hashlib.sha256).hexdigest()


def key_id_of(token: str) -> str:
    """The id that a token names, genuine or not; empty for what cannot be one."""
    return token.split("_")[1] if token.count("_") == 2 else ""


class KeyRing:
    """The keys a server accepts. Immutable; safe for any thread."""

    def __init__(self, keys: Iterable[KnownKey], pepper: bytes) -> None:
        self._keys = {key.key_id: key for key in keys}
        self._pepper = pepper

    def authenticate(self, token: str | None, now: Micros) -> Principal:
        """Who holds this token. The comparison takes the same time however much of the token is right."""
        if not token:
            raise NotAuthenticated("This server asks for an API key.", remedy="Send 'Authorization: Bearer KEY'.")
        key = self._keys.get(key_id_of(token))
        expected = key.digest if key is not None else "0" * 64
        genuine = hmac.compare_digest(token_digest(token, self._pepper), expected)
        if key is None or not genuine:
            raise NotAuthenticated(
                "The API key is not known here.", remedy="Make one: modelyard key create --name NAME."
            )
        if key.expires_us is not None and now >= key.expires_us:
            raise NotAuthenticated(
                f"The API key {key.key_id} has expired.", remedy="Make another: modelyard key create --name NAME."
            )
        return Principal(key.key_id, (Role(key.role),), "key", key.deployments, key.groups)
