"""Keys are files as openssl has them, signatures hold under one statement of one kind, a private key stays unseen."""

import pickle
import stat
import subprocess
import traceback
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from modelyard.core import Conflict, Forbidden, InvalidInput, ModelyardError, NotFound
from modelyard.core.signing import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    PrivateKey,
    PublicKey,
    make_key_pair,
    parse_public_key,
    public_key_of,
    read_private_key,
    read_public_key,
    signed_bytes,
)

STATEMENT = {"bundle": "a" * 64}


def openssl(*words: object, give: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program that everybody has."""
    return subprocess.run(["openssl", *map(str, words)], input=give, capture_output=True, check=False)


def test_a_pair_is_two_files_of_which_one_is_secret(tmp_path: Path) -> None:
    """0600 and 0644, whatever the umask; both name the same key."""
    public = make_key_pair(tmp_path / "keys")
    private = tmp_path / "keys" / PRIVATE_FILE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys" / PUBLIC_FILE).stat().st_mode) == 0o644
    assert read_private_key(private).public == public == read_public_key(tmp_path / "keys" / PUBLIC_FILE)


def test_openssl_reads_the_keys_and_checks_the_signatures(tmp_path: Path) -> None:
    """Nobody needs Modelyard to check what it signed."""
    public = make_key_pair(tmp_path)
    named = openssl("pkey", "-pubin", "-in", tmp_path / PUBLIC_FILE, "-outform", "DER").stdout
    assert openssl("dgst", "-sha256", "-r", give=named).stdout.decode().startswith(public.id)
    assert openssl("pkey", "-in", tmp_path / PRIVATE_FILE, "-pubout").stdout.decode() == public.pem
    (tmp_path / "signature").write_bytes(b64decode(read_private_key(tmp_path / PRIVATE_FILE).sign("bundle", STATEMENT)))
    (tmp_path / "statement").write_bytes(signed_bytes("bundle", STATEMENT))
    words = ("pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / PUBLIC_FILE, "-rawin")
    checked = openssl(*words, "-in", tmp_path / "statement", "-sigfile", tmp_path / "signature")
    assert checked.returncode == 0, checked.stderr


def test_keys_that_openssl_made_sign_as_well(tmp_path: Path) -> None:
    """Operators keep keys in their own ways."""
    private = tmp_path / "own.pem"
    private.write_bytes(openssl("genpkey", "-algorithm", "ed25519").stdout)
    private.chmod(0o400)
    key = read_private_key(private)
    assert key.public.holds("bundle", STATEMENT, key.sign("bundle", STATEMENT))


def test_a_signature_holds_for_its_key_its_kind_and_its_statement_alone(tmp_path: Path) -> None:
    """And is spelled in one way only."""
    key = private_key(tmp_path)
    signature = key.sign("bundle", STATEMENT)
    other = make_key_pair(tmp_path / "other")
    assert key.public.holds("bundle", STATEMENT, signature)
    assert key.sign("bundle", STATEMENT) == signature
    assert not other.holds("bundle", STATEMENT, signature)
    assert not key.public.holds("audit checkpoint", STATEMENT, signature)
    assert not key.public.holds("bundle", {"bundle": "b" * 64}, signature)
    longer = b64encode(b"x" * 65).decode()
    for spoilt in (signature[:-4], signature + "\n", signature.replace("=", ""), "é", "", longer):
        assert not key.public.holds("bundle", STATEMENT, spoilt)


def private_key(folder: Path) -> PrivateKey:
    """A key in a folder."""
    make_key_pair(folder)
    return read_private_key(folder / PRIVATE_FILE)


@pytest.mark.parametrize("there", [PRIVATE_FILE, PUBLIC_FILE])
def test_no_key_is_ever_overwritten(tmp_path: Path, there: str) -> None:
    """Neither half, nor what a link points to; and no half of a pair is left."""
    (tmp_path / there).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict, match="exists already"):
        make_key_pair(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [there]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o606])
def test_a_private_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    """A group may read: mounted secrets are so."""
    make_key_pair(tmp_path)
    (tmp_path / PRIVATE_FILE).chmod(mode)
    with pytest.raises(Forbidden, match="by others"):
        read_private_key(tmp_path / PRIVATE_FILE)
    (tmp_path / PRIVATE_FILE).chmod(0o440)
    assert read_private_key(tmp_path / PRIVATE_FILE)


def test_what_is_no_key_is_refused_without_a_word_of_what_it_holds(tmp_path: Path) -> None:
    """Other kinds of keys, locked ones, halves in the wrong place, torn files, other files, nothing."""
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    curve = ec.generate_private_key(ec.SECP256R1())
    own = ed25519.Ed25519PrivateKey.generate()
    plain = own.private_bytes(pem, pkcs8, serialization.NoEncryption())
    locked = own.private_bytes(pem, pkcs8, serialization.BestAvailableEncryption(b"secret"))
    public = own.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    other = curve.private_bytes(pem, pkcs8, serialization.NoEncryption())
    torn = plain.replace(b"MC4CAQ", b"!!!!!!")
    for content, why in (
        (other, "another kind"),
        (locked, "passphrase"),
        (public, "is a public key"),
        (torn, "no private key"),
        (b"", "no private key"),
        (b"\0" * 20_000, "larger than any key"),
    ):
        (tmp_path / "key.pem").write_bytes(content)
        (tmp_path / "key.pem").chmod(0o600)
        with pytest.raises(InvalidInput, match=why) as refused:
            read_private_key(tmp_path / "key.pem")
        assert unseen(refused.value, content)
    for text, why in ((plain, "is a private key"), (torn, "is a private key"), (b"x", "no public key")):
        with pytest.raises(InvalidInput, match=why) as refused:
            parse_public_key(text.decode(), "The text")
        assert unseen(refused.value, text)
    half = curve.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(InvalidInput, match="another kind"):
        parse_public_key(half.decode(), "The text")
    with pytest.raises(NotFound, match="There is no key"):
        read_private_key(tmp_path / "none.pem")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_public_key(tmp_path)


def unseen(error: ModelyardError, content: bytes) -> bool:
    """Whether an error and its traceback show no line of a file."""
    shown = "".join(traceback.format_exception(error)) + str(error.context)
    return not any(line and line in shown for line in content.decode(errors="replace").splitlines()[1:-1])


def test_a_private_key_does_not_show_itself(tmp_path: Path) -> None:
    """Not when it is printed, and not to another process."""
    key = private_key(tmp_path)
    assert repr(key) == f"<private key of {key.public.id}>"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize("text", ["", "AAAA", "!", "A" * 43, "A" * 44 + "\n"])
def test_a_public_key_is_32_bytes_in_base64(text: str) -> None:
    """And nothing else."""
    with pytest.raises(ValueError, match="base64"):
        public_key_of(text)
    raw = bytes(range(32))
    assert public_key_of(PublicKey(raw).text) == PublicKey(raw)
