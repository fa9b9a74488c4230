"""A version of a dataset, as it is recorded."""

import msgspec

from modelyard.core import Digest


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a version: its name, the SHA-256 of its bytes, and how many they are."""

    name: str
    digest: Digest
    bytes: int


class StoredColumn(msgspec.Struct, frozen=True):
    """One column of a version's schema, in order."""

    name: str
    type: str


class Version(msgspec.Struct, frozen=True):
    """An immutable version: what its files hold, not what they are called elsewhere, is what `digest` stands for.

    `digest` is the SHA-256 of the manifest, canonical JSON `{"files": [{"name", "digest", "bytes"}, …], "format": 1}`
    with the files in the order of their names. `profile` is the digest of the stored profile.
    """

    name: str
    number: int
    digest: Digest
    files: tuple[StoredFile, ...]
    columns: tuple[StoredColumn, ...]
    rows: int
    profile: Digest
    created_at: str
    created_by: str
    note: str = ""

    @property
    def label(self) -> str:
        """As one writes it: `bookings@3`."""
        return f"{self.name}@{self.number}"

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(each.bytes for each in self.files)


class Added(msgspec.Struct, frozen=True):
    """What adding did: the version that holds this content, and whether it is new."""

    version: Version
    new: bool
