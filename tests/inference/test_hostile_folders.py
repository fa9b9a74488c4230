"""Whatever somebody does to a bundle's folder, it is found; whatever nobody did, is not."""

import json
import os
import random
import shutil
import socket
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.core import canonical_json, digest_of
from modelyard.inference import BundleDamaged, verify_bundle

STORED = Path(__file__).parent / "bundles" / "format-2"
Attack = Callable[[Path, random.Random], None]


def some(folder: Path, chance: random.Random) -> Path:
    """One of the bundle's files."""
    return chance.choice(sorted(folder.iterdir()))


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flip_a_bit(folder: Path, chance: random.Random) -> None:
    def flipped(data: bytes) -> bytes:
        place = chance.randrange(len(data) * 8)
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        return bytes(changed)

    rewrite(some(folder, chance), flipped)


def append(folder: Path, chance: random.Random) -> None:
    rewrite(some(folder, chance), lambda data: data + chance.choice([b"\0", b"\n", b" ", b"\0" * 4096]))


def cut(folder: Path, chance: random.Random) -> None:
    rewrite(some(folder, chance), lambda data: data[: chance.randrange(len(data))])


def remove(folder: Path, chance: random.Random) -> None:
    some(folder, chance).unlink()


def swap_two(folder: Path, chance: random.Random) -> None:
    one, two = chance.sample(sorted(folder.iterdir()), 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def add_a_file(folder: Path, chance: random.Random) -> None:
    name = chance.choice([".hidden", "model.onnx~", "model.onnx ", "golden.json\n", "\u202egnp.exe", "a" * 255, "-rf"])
    (folder / name).write_bytes(b"")


def add_a_name_that_is_no_text(folder: Path, chance: random.Random) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe"))).write_bytes(chance.randbytes(3))


def add_a_folder(folder: Path, chance: random.Random) -> None:
    (folder / chance.choice(["more", "__pycache__", "signatures"])).mkdir()


def case_twin(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    shutil.copy(path, path.with_name(path.name.upper()))


def unicode_twin(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    name = path.name.replace("o", "ｏ", 1)  # noqa: RUF001 - a full-width letter is the point
    assert unicodedata.normalize("NFKC", name) == path.name
    path.rename(path.with_name(name)) if chance.random() < 0.5 else shutil.copy(path, path.with_name(name))


def symbolic_link(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    elsewhere = shutil.move(path, folder.parent / f"moved-{path.name}")
    path.symlink_to(elsewhere)


def link_within(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    path.unlink()
    path.symlink_to(some(folder, chance).name)


def hard_link(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    (folder.parent / f"held-{path.name}").hardlink_to(path)


def pipe(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    path.unlink()
    os.mkfifo(path)


def unix_socket(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    path.unlink()
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket may have about a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def folder_in_its_place(folder: Path, chance: random.Random) -> None:
    path = some(folder, chance)
    path.unlink()
    path.mkdir()


def reorder(folder: Path, chance: random.Random) -> None:
    def reordered(data: bytes) -> bytes:
        document = json.loads(data)
        names = list(document)
        while names == list(document):
            chance.shuffle(names)
        return json.dumps({name: document[name] for name in names}, separators=(",", ":")).encode()

    rewrite(folder / "bundle.json", reordered)


def space_out(folder: Path, chance: random.Random) -> None:
    rewrite(folder / "bundle.json", lambda data: json.dumps(json.loads(data), indent=chance.randrange(3)).encode())


def write_a_name_twice(folder: Path, chance: random.Random) -> None:
    said = chance.choice([b'"version":"2",', b'"runtime":"python",', b'"model":"x",'])
    rewrite(folder / "bundle.json", lambda data: b"{" + said + data[1:])


def pin_another_place(folder: Path, chance: random.Random) -> None:
    """A right document that names a file which no bundle has."""
    outside = folder.parent / "outside"
    outside.write_bytes(b"x")
    name = chance.choice(["../outside", str(outside), "a/b", "", ".", "..", "bundle.json", "signatures.json", "a\0b"])

    def pinned(data: bytes) -> bytes:
        document = json.loads(data)
        document["files"][name] = digest_of(b"x")
        return canonical_json(document)

    rewrite(folder / "bundle.json", pinned)


def nonsense(folder: Path, chance: random.Random) -> None:
    said = [b"", b"null", b"[]", b"{}", b"{" * 100_000, b"\xff"]
    formats = [b'{"format":"3"}', b'{"format":NaN}', b'{"format":1e999}']
    (folder / "bundle.json").write_bytes(chance.choice([*said, *formats, chance.randbytes(200)]))


ATTACKS: tuple[Attack, ...] = (
    flip_a_bit, append, cut, remove, swap_two, add_a_file, add_a_name_that_is_no_text, add_a_folder, case_twin,
    unicode_twin, symbolic_link, link_within, hard_link, pipe, unix_socket, folder_in_its_place, reorder, space_out,
    write_a_name_twice, pin_another_place, nonsense,
)  # fmt: skip


def attacked(attack: Attack, into: Path, seed: int) -> Path:
    """A copy of the bundle after an attack."""
    folder = Path(shutil.copytree(STORED, into / f"{attack.__name__}-{seed}" / "bundle"))
    attack(folder, random.Random(f"{attack.__name__}/{seed}"))
    return folder


def found(folder: Path, *, expect: str | None = None) -> bool:
    """Whether verifying refuses, at once, in words that are not long."""
    began = time.monotonic()
    with pytest.raises(BundleDamaged) as refused:
        verify_bundle(folder, expect=expect)  # type: ignore[arg-type]
    assert len(refused.value.message) < 1000 + len(str(folder))
    assert time.monotonic() - began < 2
    return True


def right_digest() -> str:
    return digest_of((STORED / "bundle.json").read_bytes())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.__name__)
def test_every_change_of_the_folder_is_found(attack: Attack, tmp_path: Path) -> None:
    """Ten of each, by whoever knows the digest that it should have."""
    assert all(found(attacked(attack, tmp_path, seed), expect=right_digest()) for seed in range(10))


@pytest.mark.parametrize("attack", [each for each in ATTACKS if each is not flip_a_bit], ids=lambda each: each.__name__)
def test_every_change_but_a_consistent_one_is_found_without_the_digest(attack: Attack, tmp_path: Path) -> None:
    """A folder alone cannot tell a bundle from another that is right in itself; all else it can."""
    assert all(found(attacked(attack, tmp_path, seed)) for seed in range(10))


@pytest.mark.soak
def test_thousands_of_changes_are_found(tmp_path: Path) -> None:
    """10,000 of all kinds."""
    for seed in range(10_000):
        folder = attacked(ATTACKS[seed % len(ATTACKS)], tmp_path, seed)
        assert found(folder, expect=right_digest())
        shutil.rmtree(folder.parent)


def test_what_nobody_changed_is_never_accused(tmp_path: Path) -> None:
    """Copied, moved, touched, with other permissions, and through a link to the folder."""
    folder = Path(shutil.copytree(STORED, tmp_path / "a" / "b"))
    for path in folder.iterdir():
        path.chmod(0o400)
        os.utime(path, (0, 0))
    folder = folder.rename(tmp_path / "c")
    (tmp_path / "link").symlink_to(folder)
    assert verify_bundle(tmp_path / "link", expect=right_digest())[1] == right_digest()  # type: ignore[arg-type]


def test_what_is_no_folder_is_no_bundle(tmp_path: Path) -> None:
    """A file, and nothing at all."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "nothing"):
        assert found(path)
