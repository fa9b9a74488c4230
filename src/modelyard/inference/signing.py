"""Signatures of a bundle: who vouches for it, and whose word a server takes."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.core import Digest, canonical_json
from modelyard.core.signing import PrivateKey, PublicKey, public_key_of

from .errors import BundleDamaged, BundleNotTrusted, SignaturesDamaged
from .regular import read_regular

SIGNATURES_FILE = "signatures.json"
"""The file inside a bundle that holds its signatures. It is no part of what the digest covers: a bundle that is signed
later, or once more, is the same bundle."""

MOST_SIGNATURES = 64
"""So many may sign one bundle."""

_FORMAT = 1
_KIND = "bundle"
_LARGEST = 1 << 16


class BundleSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key's word for a bundle: the public key's bytes and the signature, both in base64."""

    public: str
    signature: str


class Signatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `signatures.json`: of which bundle, and who signed it, in the order of their public keys."""

    bundle: Digest
    signatures: tuple[BundleSignature, ...]
    format: int = _FORMAT


@dataclass(frozen=True)
class Trust:
    """Whose bundles may be loaded, and whose Python may run.

    With `require_signed` a bundle is loaded only when one of `keys` has signed it. Python (pickles, code) runs when its
    digest is among `python_bundles`, or when one of `python_keys` has signed the bundle.
    """

    require_signed: bool = False
    keys: tuple[PublicKey, ...] = ()
    python_keys: tuple[PublicKey, ...] = ()
    python_bundles: tuple[Digest, ...] = ()

    def check(self, folder: Path, digest: Digest) -> None:
        """Return when a bundle of this digest may be loaded; else BundleNotTrusted or SignaturesDamaged."""
        if not self.require_signed:
            return
        signers = signers_of(folder, digest)
        if not set(self.keys) & set(signers):
            raise _not_trusted(folder, digest, signers, self.keys)

    def python(self, folder: Path, digest: Digest) -> bool:
        """Whether the operator has permitted this bundle's Python."""
        if digest in self.python_bundles:
            return True
        return bool(self.python_keys) and bool(set(self.python_keys) & set(signers_of(folder, digest)))


NO_TRUST_ASKED = Trust()
"""Any bundle may be loaded, and no Python runs."""


def signers_of(folder: Path, digest: Digest) -> tuple[PublicKey, ...]:
    """The keys that have signed the bundle of this digest; none for a bundle without signatures.

    SignaturesDamaged when the file of signatures is not as it was written, is another bundle's, or holds a signature
    that is not its key's.
    """
    found = read_signatures(folder, digest)
    keys = []
    for each in found:
        key = _key_of(folder, each)
        if not key.holds(_KIND, _statement(digest), each.signature):
            raise _damaged(folder, f"the signature by {key.id} is not that key's")
        keys.append(key)
    return tuple(keys)


def read_signatures(folder: Path, digest: Digest) -> tuple[BundleSignature, ...]:
    """What the file of signatures says, in the right form and about this digest; whether they hold is not tried."""
    path = folder / SIGNATURES_FILE
    if not os.path.lexists(path):
        return ()
    try:
        document = read_regular(path, at_most=_LARGEST)
        found = msgspec.json.decode(document, type=Signatures)
    except BundleDamaged as error:
        raise SignaturesDamaged(error.message, context=error.context, remedy=error.remedy) from error
    except (msgspec.MsgspecError, ValueError) as error:  # the latter for what is no UTF-8
        raise _damaged(folder, f"it cannot be read ({error})") from error
    if found.format != _FORMAT:
        raise _damaged(folder, f"it has format {found.format}, and this Modelyard reads {_FORMAT}")
    if canonical_json(msgspec.to_builtins(found)) != document or list(found.signatures) != _ordered(found.signatures):
        raise _damaged(folder, "it is not as it was written")
    if found.bundle != digest:
        raise _damaged(folder, f"it is about the bundle {found.bundle[:12]}…, not {digest[:12]}…")
    return found.signatures


def sign_bundle(folder: Path, digest: Digest, key: PrivateKey) -> tuple[PublicKey, ...]:
    """Add a key's signature to the bundle of this digest, in one step; returns all that have signed it.

    The caller has verified the bundle. Signing again with the same key changes nothing; of several that sign at once
    none is lost.
    """
    with _turn(folder):
        before = signers_of(folder, digest)
        if key.public in before:
            return before
        mine = BundleSignature(key.public.text, key.sign(_KIND, _statement(digest)))
        _write(folder, digest, [*read_signatures(folder, digest), mine])
    return signers_of(folder, digest)


def add_signatures(source: Path, target: Path, digest: Digest) -> None:
    """Give the bundle in `target` what signatures the same bundle in `source` has more."""
    with _turn(target):
        there = read_signatures(target, digest)
        signers_of(source, digest)
        if more := [each for each in read_signatures(source, digest) if each not in there]:
            _write(target, digest, [*there, *more])


def _write(folder: Path, digest: Digest, signatures: Sequence[BundleSignature]) -> None:
    """Replace the file in one step. It is made outside of the folder, which never holds a file that is not known."""
    if len(signatures) > MOST_SIGNATURES:
        raise _damaged(folder, f"it would hold {len(signatures)} signatures; {MOST_SIGNATURES} may sign a bundle")
    document = canonical_json(msgspec.to_builtins(Signatures(digest, tuple(_ordered(signatures)))))
    descriptor, temporary = tempfile.mkstemp(dir=folder.resolve().parent, prefix=".signatures.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(document)
            file.flush()
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        Path(temporary).replace(folder / SIGNATURES_FILE)
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for one's turn among those that sign the bundle in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _ordered(signatures: Sequence[BundleSignature]) -> list[BundleSignature]:
    """By public key, each once."""
    by_key = {each.public: each for each in signatures}
    return [by_key[name] for name in sorted(by_key)]


def _statement(digest: Digest) -> dict[str, object]:
    return {"bundle": digest}


def _key_of(folder: Path, signature: BundleSignature) -> PublicKey:
    try:
        return public_key_of(signature.public)
    except ValueError as error:
        raise _damaged(folder, f"it names a public key that is none ({error})") from error


def _damaged(folder: Path, what: str) -> SignaturesDamaged:
    return SignaturesDamaged(
        f"The file {SIGNATURES_FILE} of the bundle in {folder} is damaged: {what}.",
        context={"folder": str(folder)},
        remedy=f"Fetch the bundle again; or remove the file and sign anew: modelyard bundle sign {folder} --key FILE",
    )


def _not_trusted(
    folder: Path, digest: Digest, signers: Sequence[PublicKey], keys: Sequence[PublicKey]
) -> BundleNotTrusted:
    said = f"is signed by {_ids(signers)} alone, which is not trusted here" if signers else "is not signed"
    return BundleNotTrusted(
        f"The bundle {digest[:12]}… {said}; trusted: {_ids(keys) or 'nobody'}.",
        context={"digest": digest, "signers": [each.id for each in signers], "trusted": [each.id for each in keys]},
        remedy=f"If you vouch for it: modelyard bundle sign {folder} --key FILE; or name its key in "
        "security.trusted_keys.",
    )


def _ids(keys: Sequence[PublicKey]) -> str:
    names = [each.id for each in keys]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
