"""The keys of a project: its own pair, and those whose signatures it takes."""

import re
from pathlib import Path

from modelyard.core import InvalidInput, ModelyardError, did_you_mean
from modelyard.core.signing import (
    PRIVATE_FILE,
    PrivateKey,
    PublicKey,
    parse_public_key,
    read_private_key,
    read_public_key,
)
from modelyard.inference import Trust

from .settings import SecuritySettings

KEYS_FOLDER = "keys"
"""The folder in a workspace for its pair of keys, and for public keys of others."""

_ID = re.compile(r"[0-9a-f]{16}")


class ProjectKeys:
    """Where the keys of a project are. Files are read when a key is asked for, never before.

    The own pair is the file `security.signing_key` with its public half beside it (`NAME.pub.pem`), or else
    `signing.pem` and `signing.pub.pem` in the folder `keys` of the workspace. Who only verifies needs the public half
    alone.
    """

    def __init__(self, settings: SecuritySettings, folder: Path, keys: Path) -> None:
        self._settings = settings
        self._folder = folder
        self.keys = keys

    @property
    def private_file(self) -> Path:
        """Where the own private key is, or would be."""
        declared = self._settings.signing_key
        return self.keys / PRIVATE_FILE if declared is None else self._folder / declared

    def own(self) -> PrivateKey | None:
        """The own private key; None when there is none and none is declared."""
        if self._settings.signing_key is None and not self.private_file.exists():
            return None
        return read_private_key(self.private_file)

    def own_public(self) -> PublicKey | None:
        """The own public key, also where the private one is not; None when there is neither."""
        public = self.private_file.with_suffix(".pub.pem")
        if public.exists():
            return read_public_key(public)
        own = self.own()
        return None if own is None else own.public

    def trusted(self) -> tuple[PublicKey, ...]:
        """The keys whose bundles are loaded: those that are declared, or else the own one."""
        if declared := self._settings.trusted_keys:
            return tuple(self.find(each) for each in declared)
        own = self.own_public()
        return () if own is None else (own,)

    def known(self) -> tuple[PublicKey, ...]:
        """The keys whose checkpoints and exports count: the own one, and those that are trusted."""
        own = self.own_public()
        return tuple(dict.fromkeys((*(() if own is None else (own,)), *self.trusted())))

    def find(self, entry: str) -> PublicKey:
        """The key that a line of `security.trusted_keys` names: a PEM text, a key's id, or a PEM file."""
        if not _ID.fullmatch(entry):
            return read_trusted_key(entry, self._folder)
        there = {each.id: each for each in map(read_public_key, sorted(self.keys.glob("*.pub.pem")))}
        if entry not in there:
            raise InvalidInput(
                f"No key of the id {entry} stands in {self.keys}.", code="NO_KEY", remedy=did_you_mean(entry, there)
            )
        return there[entry]

    def trust(self) -> Trust:
        """Whose bundles are loaded, and whose Python runs; InvalidInput when that would be nobody's."""
        settings = self._settings
        keys = self.trusted() if settings.require_signed else ()
        if settings.require_signed and not keys:
            raise self._nobody("security.require_signed")
        return Trust(settings.require_signed, keys, self._python_keys(), settings.digests)

    def _python_keys(self) -> tuple[PublicKey, ...]:
        if not self._settings.python_signed:
            return ()
        own = self.own_public()
        if own is None:
            raise self._nobody("security.python_signed")
        return (own,)

    def _nobody(self, setting: str) -> InvalidInput:
        return InvalidInput(
            f"{setting} asks for signatures, and the workspace has no key: {self.private_file} is not there.",
            code="NO_KEY",
            remedy="Make one: modelyard bundle keygen; or name other keys: security.trusted_keys.",
        )


def read_trusted_key(entry: str, folder: Path = Path()) -> PublicKey:
    """The public key in a PEM text, or in a PEM file at a path from `folder`."""
    if "-----BEGIN" in entry:
        return parse_public_key(entry, "The text")
    return read_public_key(folder / entry)


def trusted_key_findings(settings: SecuritySettings, folder: Path, keys: Path) -> list[tuple[int, str]]:
    """What is wrong with the lines of `security.trusted_keys`, by their place; never a word of what they hold."""
    found, ring = [], ProjectKeys(settings, folder, keys)
    for index, entry in enumerate(settings.trusted_keys):
        try:
            ring.find(entry)
        except ModelyardError as error:
            found.append((index, error.message))
    return found
