"""Ed25519 keys (RFC 8032): PEM files as openssl reads and writes them, signing, and telling whether a signature holds.

Imported by its own name, and what it stands on only when a key is used: who signs nothing pays nothing.
"""

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Conflict, Forbidden, InvalidInput, NotFound
from .files import sync_folder
from .names import canonical_json, digest_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PRIVATE_FILE, PUBLIC_FILE = "signing.pem", "signing.pub.pem"
"""The two files of a pair of keys: PKCS #8 and SubjectPublicKeyInfo (RFC 8410), both PEM."""

_RAW = 32
_SIGNATURE = 64
_LARGEST = 1 << 14
_REMEDY = "Make a pair: modelyard bundle keygen -o FOLDER"


@dataclass(frozen=True)
class PublicKey:
    """A public key: its 32 bytes. Equal bytes are the same key, whatever it is called."""

    raw: bytes

    @property
    def id(self) -> str:
        """The key's short name: the first 16 hexadecimal digits of the SHA-256 of its SubjectPublicKeyInfo (DER)."""
        return digest_of(_SPKI_PREFIX + self.raw)[:16]

    @property
    def text(self) -> str:
        """The 32 bytes in base64, as signatures and feeds carry them."""
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        """SubjectPublicKeyInfo, PEM."""
        body = base64.b64encode(_SPKI_PREFIX + self.raw).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"

    def holds(self, kind: str, statement: Mapping[str, object], signature: str) -> bool:
        """Whether the signature (base64) is this key's under that statement; see `PrivateKey.sign`."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

        try:
            raw = _decoded(signature, _SIGNATURE)
            Ed25519PublicKey.from_public_bytes(self.raw).verify(raw, signed_bytes(kind, statement))
        except (ValueError, InvalidSignature):
            return False
        return True


class PrivateKey:
    """A private key. It never shows itself: not in `repr`, not in an error, and it cannot be pickled."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, kind: str, statement: Mapping[str, object]) -> str:
        """The signature, in base64, of a statement of some kind. The same statement gets the same signature."""
        return base64.b64encode(self._key.sign(signed_bytes(kind, statement))).decode()

    def __repr__(self) -> str:
        return f"<private key of {self.public.id}>"

    def __reduce__(self) -> str:
        raise TypeError("a private key stays in its process")


def signed_bytes(kind: str, statement: Mapping[str, object]) -> bytes:
    """What a signature signs: `modelyard KIND`, a line feed, and the statement as canonical JSON.

    With the kind in front no signature under a statement of one kind passes for another's.
    """
    return f"modelyard {kind}\n".encode() + canonical_json(statement)


def make_key_pair(folder: Path) -> PublicKey:
    """Write a new pair into a folder, the private key readable by its owner alone; Conflict when one is there."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = PublicKey(key.public_key().public_bytes_raw())
    folder.mkdir(parents=True, exist_ok=True)
    for name in (PRIVATE_FILE, PUBLIC_FILE):
        if (folder / name).exists() or (folder / name).is_symlink():
            raise _exists(folder / name)
    _write_new(folder / PRIVATE_FILE, private, 0o600)
    _write_new(folder / PUBLIC_FILE, public.pem.encode(), 0o644)
    sync_folder(folder)
    return public


def read_private_key(path: Path) -> PrivateKey:
    """The private key in a PEM file. Forbidden when others than its owner and group may read the file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    data = _read(path)
    if b"PUBLIC KEY" in data:
        raise InvalidInput(f"{path} is a public key; signing takes the private one.", code="NO_KEY", remedy=_REMEDY)
    if _others_may(path):
        raise Forbidden(
            f"The private key {path} can be read, or written, by others than its owner.",
            code="KEY_EXPOSED",
            context={"path": str(path)},
            remedy=f"Make another pair if they may have read it; then: chmod 600 {path}",
        )
    try:
        key = load_pem_private_key(data, None)
    except TypeError:
        raise InvalidInput(
            f"{path} is locked by a passphrase, which nobody could type for a server.",
            code="NO_KEY",
            remedy=f"openssl pkey -in {path} -out unlocked.pem, and keep that one as safe.",
        ) from None
    except Exception:
        raise _no_key(path, "no private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, f"a key of another kind ({type(key).__name__.strip('_')})")
    return PrivateKey(key)


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file."""
    return parse_public_key(_read(path).decode(errors="replace"), str(path))


def parse_public_key(pem: str, what: str) -> PublicKey:
    """The public key in a PEM text, which `what` names in errors; InvalidInput for anything else."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - see above

    if "PRIVATE KEY" in pem:
        raise InvalidInput(
            f"{what} is a private key; here belongs the public one.",
            code="NO_KEY",
            remedy="openssl pkey -in PRIVATE.pem -pubout, and make another pair if others may have seen this one.",
        )
    try:
        key = load_pem_public_key(pem.encode())
    except Exception:
        raise _no_key(what, "no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(what, f"a key of another kind ({type(key).__name__.strip('_')})")
    return PublicKey(key.public_bytes_raw())


def public_key_of(text: str) -> PublicKey:
    """The public key whose 32 bytes `text` gives in base64; ValueError for anything else."""
    return PublicKey(_decoded(text, _RAW))


_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""The DER in front of the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo: RFC 8410, sections 3 and 4."""


def _decoded(text: str, length: int) -> bytes:
    """Bytes in canonical base64, so that nothing can be written in two ways."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64") from error
    if len(raw) != length or base64.b64encode(raw).decode() != text:
        raise ValueError(f"not {length} bytes in base64")
    return raw


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError as error:
        raise NotFound(f"There is no key {path}.", code="NO_KEY", remedy=_REMEDY) from error
    except OSError as error:
        raise InvalidInput(
            f"The key {path} cannot be read: {error.strerror}.", code="NO_KEY", remedy=_REMEDY
        ) from error
    if len(data) > _LARGEST:
        raise _no_key(path, "larger than any key")
    return data


def _others_may(path: Path) -> bool:
    """Whether the world may read or write a file, or its group write it. Groups may read: mounted secrets do so."""
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXO | stat.S_IWGRP))


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise _exists(path) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _exists(path: Path) -> Conflict:
    return Conflict(
        f"{path} exists already; a key that signed something is not overwritten.",
        code="KEY_EXISTS",
        context={"path": str(path)},
        remedy="Choose another folder; or move it away, and keep its public half for what it has signed.",
    )


def _no_key(where: object, what: str) -> InvalidInput:
    return InvalidInput(f"{where} holds {what}; Ed25519 is wanted.", code="NO_KEY", remedy=_REMEDY)
