"""A bundle is signed without becoming another, and is loaded for those alone whose word is taken."""

import json
import multiprocessing
import shutil
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.core import Digest, canonical_json
from modelyard.core.signing import PRIVATE_FILE, PrivateKey, make_key_pair, read_private_key
from modelyard.inference import (
    SIGNATURES_FILE,
    BundleNotTrusted,
    PythonNotPermitted,
    SignaturesDamaged,
    Trust,
    add_signatures,
    load_bundle,
    probe_bundle,
    sign_bundle,
    signers_of,
    verify_bundle,
)

from .bad_bundles import python_bundle

STORED = Path(__file__).parent / "bundles" / "format-2"
CODE = """
class Model:
    def predict(self, rows):
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of one's own."""
    return Path(shutil.copytree(STORED, tmp_path / "bundle"))


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    """A key."""
    return key_in(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> PrivateKey:
    """Another key."""
    return key_in(tmp_path / "other")


def key_in(folder: Path) -> PrivateKey:
    """A fresh key."""
    make_key_pair(folder)
    return read_private_key(folder / PRIVATE_FILE)


def digest_in(folder: Path) -> Digest:
    """The digest of a bundle."""
    return verify_bundle(folder)[1]


def test_a_signed_bundle_is_the_same_bundle(folder: Path, key: PrivateKey) -> None:
    """Its digest, and what it answers; the signature goes wherever the folder goes."""
    digest = digest_in(folder)
    assert signers_of(folder, digest) == ()
    assert sign_bundle(folder, digest, key) == (key.public,)
    assert digest_in(folder) == digest
    trust = Trust(require_signed=True, keys=(key.public,))
    load_bundle(shutil.copytree(folder, folder.with_name("copy")), expect=digest, trust=trust).close()
    probe_bundle(folder, expect=digest, trust=trust)


def test_several_may_sign_and_once_is_enough(folder: Path, key: PrivateKey, other: PrivateKey) -> None:
    """In whatever order they sign, the file is the same; signing again changes nothing."""
    digest = digest_in(folder)
    twin = Path(shutil.copytree(folder, folder.with_name("twin")))
    for each in (key, other, key):
        sign_bundle(folder, digest, each)
    for each in (other, key):
        sign_bundle(twin, digest, each)
    assert (folder / SIGNATURES_FILE).read_bytes() == (twin / SIGNATURES_FILE).read_bytes()
    assert set(signers_of(folder, digest)) == {key.public, other.public}


def test_those_who_are_not_trusted_are_refused(folder: Path, key: PrivateKey, other: PrivateKey) -> None:
    """Nobody has signed; somebody else has; one of several is enough."""
    digest, trust = digest_in(folder), Trust(require_signed=True, keys=(key.public,))
    with pytest.raises(BundleNotTrusted, match="is not signed; trusted: " + key.public.id):
        load_bundle(folder, trust=trust)
    sign_bundle(folder, digest, other)
    with pytest.raises(BundleNotTrusted, match=f"signed by {other.public.id} alone"):
        probe_bundle(folder, trust=trust)
    with pytest.raises(BundleNotTrusted, match="trusted: nobody"):
        load_bundle(folder, trust=Trust(require_signed=True))
    sign_bundle(folder, digest, key)
    load_bundle(folder, trust=trust).close()


def test_the_signature_of_one_bundle_is_not_that_of_another(folder: Path, key: PrivateKey, tmp_path: Path) -> None:
    """Neither the file as it is, nor with the digest put right."""
    digest = digest_in(folder)
    sign_bundle(folder, digest, key)
    stranger = Path(shutil.copytree(STORED.with_name("format-1"), tmp_path / "stranger"))
    shutil.copy(folder / SIGNATURES_FILE, stranger)
    with pytest.raises(SignaturesDamaged, match="is about the bundle"):
        verify_bundle(stranger)
    document = json.loads((folder / SIGNATURES_FILE).read_bytes())
    (stranger / SIGNATURES_FILE).unlink()
    document["bundle"] = digest_in(stranger)
    (stranger / SIGNATURES_FILE).write_bytes(canonical_json(document))
    with pytest.raises(SignaturesDamaged, match=f"the signature by {key.public.id} is not that key's"):
        load_bundle(stranger, trust=Trust(require_signed=True, keys=(key.public,)))


def test_every_flipped_bit_of_the_signatures_is_found(folder: Path, key: PrivateKey, other: PrivateKey) -> None:
    """Wherever it is, by whoever only compares: no key has to be known."""
    digest = digest_in(folder)
    sign_bundle(folder, digest, key)
    sign_bundle(folder, digest, other)
    right = (folder / SIGNATURES_FILE).read_bytes()
    for place in range(len(right)):
        wrong = bytearray(right)
        wrong[place] ^= 1 << (place % 8)
        (folder / SIGNATURES_FILE).write_bytes(bytes(wrong))
        with pytest.raises(SignaturesDamaged):
            signers_of(folder, digest)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda right: right + b"\0",
        lambda right: right + b"\n",
        lambda right: b" " + right,
        lambda right: right[:-1],
        lambda right: b"",
        lambda right: b"[]",
        lambda right: right.replace(b'"format":1', b'"format":2'),
        lambda right: canonical_json({**json.loads(right), "more": 1}),
        lambda right: canonical_json({**json.loads(right), "signatures": json.loads(right)["signatures"] * 2}),
        lambda right: right.replace(b'"public":"', b'"public":"' + b64encode(b"x" * 32)[:4]),
    ],
)
def test_a_file_of_signatures_is_written_in_one_way(
    folder: Path, key: PrivateKey, spoil: Callable[[bytes], bytes]
) -> None:
    """More bytes, fewer, others, keys that are none, another format, the same signature twice."""
    digest = digest_in(folder)
    sign_bundle(folder, digest, key)
    path = folder / SIGNATURES_FILE
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SignaturesDamaged):
        load_bundle(folder, trust=Trust(require_signed=True, keys=(key.public,)))


def test_python_runs_when_the_key_that_permits_it_has_signed(
    tmp_path: Path, key: PrivateKey, other: PrivateKey
) -> None:
    """A key that is trusted for loading permits no Python by that."""
    folder = python_bundle(tmp_path / "bundle", CODE)
    digest = digest_in(folder)
    sign_bundle(folder, digest, other)
    for trust in (Trust(), Trust(True, (other.public,)), Trust(python_keys=(key.public,))):
        with pytest.raises(PythonNotPermitted, match="not permitted"):
            load_bundle(folder, trust=trust)
    load_bundle(folder, trust=Trust(python_bundles=(digest,))).close()
    sign_bundle(folder, digest, key)
    load_bundle(folder, trust=Trust(python_keys=(key.public,))).close()
    probe_bundle(folder, trust=Trust(True, (key.public,), (key.public,)))


def sign_with(folder: Path, digest: Digest, key: Path) -> None:
    """What each of several processes does."""
    sign_bundle(folder, digest, read_private_key(key))


def test_of_many_that_sign_at_once_none_is_lost(folder: Path, tmp_path: Path) -> None:
    """Each process adds its own; whoever looks meanwhile sees a whole bundle."""
    digest = digest_in(folder)
    keys = [tmp_path / f"key-{number}" for number in range(6)]
    publics = {make_key_pair(each) for each in keys}
    context = multiprocessing.get_context("fork")
    signing = [context.Process(target=sign_with, args=(folder, digest, each / PRIVATE_FILE)) for each in keys]
    for each in signing:
        each.start()
    while any(each.is_alive() for each in signing):
        verify_bundle(folder, expect=digest)
        signers_of(folder, digest)
    for each in signing:
        each.join()
    assert set(signers_of(folder, digest)) == publics
    assert not list(folder.parent.glob(".signatures.*"))


def test_signatures_are_brought_to_a_copy_that_has_others(folder: Path, key: PrivateKey, other: PrivateKey) -> None:
    """Neither loses any."""
    digest = digest_in(folder)
    copy = Path(shutil.copytree(folder, folder.with_name("copy")))
    sign_bundle(folder, digest, key)
    sign_bundle(copy, digest, other)
    add_signatures(folder, copy, digest)
    assert set(signers_of(copy, digest)) == {key.public, other.public}
    assert signers_of(folder, digest) == (key.public,)


def test_no_more_than_64_sign(folder: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that anybody can lengthen has an end."""
    monkeypatch.setattr("modelyard.inference.signing.MOST_SIGNATURES", 1)
    digest = digest_in(folder)
    sign_bundle(folder, digest, key)
    with pytest.raises(SignaturesDamaged, match="1 may sign"):
        sign_bundle(folder, digest, key_in(tmp_path / "third"))
    (folder / SIGNATURES_FILE).write_bytes(b" " * 70_000)
    with pytest.raises(SignaturesDamaged):
        verify_bundle(folder)
