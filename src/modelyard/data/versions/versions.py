"""Adding, finding and getting versions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pyarrow as pa

from modelyard.core import Clock, Conflict, Digest, InvalidInput, check_name, did_you_mean, digest_of
from modelyard.storage import ArtifactStore, RecordStore, Snapshot, Transaction

from ..errors import DatasetVersionNotFound
from ..profile import Profile, profile
from ..reading import open_data
from .diff import VersionDiff, diff_of
from .manifest import manifest_of, named, stored
from .records import Added, StoredColumn, StoredFile, Version

_NAMES, _VERSIONS = "dataset", "dataset-version"
_SHORTEST = 6
"""A digest is found by this many of its first characters; fewer are read as a number."""


class Versions:
    """The versions of a project's datasets. Content is in the artifact store, once however often it is used.

    A version exists from the moment its record is written, which is the last thing that `add` does: one that is killed
    before leaves bytes that nothing names. Nothing changes or removes a version. Several processes may add at once.
    """

    def __init__(self, records: RecordStore, artifacts: ArtifactStore, clock: Clock, cache: Path) -> None:
        """`cache`: a folder for the files of versions that were read."""
        self._records = records
        self._artifacts = artifacts
        self._clock = clock
        self._cache = cache

    def add(self, name: str, files: Sequence[Path], *, note: str = "", by: str = "") -> Added:
        """Keep the content of files as the next version of a dataset, unless one has this content already.

        The files are tables of one schema; in the order of their names they are the version's rows. UnreadableData when
        they are no tables; Conflict when one changes while it is read, or when the name differs from another in case
        alone.
        """
        check_name("dataset", name)
        chosen = named(files)
        content = stored(chosen)
        digest = digest_of(manifest_of(content))
        with self._records.snapshot() as view:
            if (found := self._with_content(view, name, digest)) is not None:
                return Added(found, new=False)
            _require_same_case(view, name)
        reading = open_data(list(chosen.values()))
        described = profile(reading.schema, reading.batches())
        self._store(chosen, content)
        version = Version(
            name=name,
            number=0,
            digest=digest,
            files=content,
            columns=tuple(StoredColumn(field.name, str(field.type)) for field in reading.schema),
            rows=described.rows,
            profile=self._artifacts.put_bytes(msgspec.json.encode(described)),
            created_at=self._clock.now().isoformat(),
            created_by=by,
            note=note,
        )
        with self._records.transaction() as tx:
            return self._record(tx, version)

    def get(self, name: str, version: int | str = "latest") -> Version:
        """A version by number, `latest`, or the first characters of its digest (at least six).

        DatasetVersionNotFound says what there is.
        """
        wanted = str(version)
        with self._records.snapshot() as view:
            bodies = [each.body for each in view.scan(_VERSIONS, prefix=f"{name}/")]
            names = [str(each.body["name"]) for each in view.scan(_NAMES)]
        found = [msgspec.convert(each, Version) for each in bodies if _answers(each, wanted, len(bodies))]
        if len(found) == 1:
            return found[0]
        if found:
            numbers = ", ".join(str(each.number) for each in found)
            raise InvalidInput(
                f"{wanted!r} begins the digests of several versions of '{name}': {numbers}.", remedy="Write more of it."
            )
        if not bodies:
            raise DatasetVersionNotFound(f"There is no dataset '{name[:80]}'.", remedy=did_you_mean(name, names))
        raise DatasetVersionNotFound(
            f"Dataset '{name}' has no version {wanted[:80]!r}.",
            remedy=f"There are 1 to {len(bodies)}, and latest. See: modelyard data version list {name}",
        )

    def versions(self, name: str | None = None) -> list[Version]:
        """The versions of one dataset, or of all, by name and number; DatasetVersionNotFound for a name without any."""
        with self._records.snapshot() as view:
            bodies = [each.body for each in view.scan(_VERSIONS, prefix=f"{name}/" if name else "")]
        if name and not bodies:
            self.get(name)
        return [msgspec.convert(each, Version) for each in bodies]

    def profile(self, version: Version) -> Profile:
        """The profile that was made when the version was added."""
        return msgspec.json.decode(self._artifacts.get_bytes(version.profile), type=Profile)

    def stored(self, version: Version) -> set[Digest]:
        """All that the artifact store holds of a version."""
        return {version.digest, version.profile, *(each.digest for each in version.files)}

    def diff(self, name: str, before: int | str, after: int | str) -> VersionDiff:
        """What changed between two versions: files, schema, and each column's distribution, from their profiles."""
        first, second = self.get(name, before), self.get(name, after)
        return diff_of(first, self.profile(first), second, self.profile(second))

    def files(self, version: Version) -> list[Path]:
        """The version's files on this disk, in their order; copied from the artifact store when first asked for.

        ArtifactDamaged when what is stored is not what was added. Do not change them.
        """
        folder = self._cache / version.digest
        if not folder.exists():
            self._fetch(version, folder)
        return [folder / each.name for each in version.files]

    def table(self, reference: str) -> pa.Table:
        """The rows of `NAME@VERSION`, all at once; InvalidInput when the reference names no version."""
        return open_data(self.files(self.named(reference))).table()

    def named(self, reference: str) -> Version:
        """The version `NAME@VERSION`; InvalidInput when the reference names no version."""
        name, _, wanted = reference.partition("@")
        if not wanted:
            raise InvalidInput(
                f"'version:{reference[:80]}' does not say which version.",
                code="NO_VERSION",
                remedy="Write version:NAME@NUMBER. See: modelyard data version list",
            )
        return self.get(name, wanted)

    def _fetch(self, version: Version, folder: Path) -> None:
        """All files, or nothing: another process may be fetching the same."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
            whole = Path(scratch) / "files"
            whole.mkdir()
            for each in version.files:
                self._artifacts.get_file(each.digest, whole / each.name).chmod(0o444)
            try:
                whole.rename(folder)
            except OSError:
                if not folder.exists():
                    raise

    def _store(self, files: Mapping[str, Path], content: Sequence[StoredFile]) -> None:
        """Put the bytes; what is stored must be what was hashed before the rows were read."""
        for each in content:
            if self._artifacts.put_file(files[each.name]) != each.digest:
                raise Conflict(
                    f"{files[each.name]} changed while it was read.",
                    code="FILE_CHANGED",
                    remedy="Add it again when nothing writes to it.",
                )
        self._artifacts.put_bytes(manifest_of(content))

    def _record(self, tx: Transaction, version: Version) -> Added:
        """Give the next number, unless another process was faster."""
        if (found := self._with_content(tx, version.name, version.digest)) is not None:
            return Added(found, new=False)
        _require_same_case(tx, version.name)
        last = tx.scan(_VERSIONS, prefix=f"{version.name}/", limit=1, descending=True)
        version = msgspec.structs.replace(version, number=int(last[0].body["number"]) + 1 if last else 1)
        tx.put(_NAMES, version.name.lower(), {"name": version.name})
        labels = {"content": f"{version.name}/{version.digest}"}
        key = f"{version.name}/{version.number:08d}"
        tx.put(_VERSIONS, key, msgspec.to_builtins(version), expect=0, labels=labels)
        return Added(version, new=True)

    def _with_content(self, view: Snapshot, name: str, digest: Digest) -> Version | None:
        found = view.find(_VERSIONS, "content", f"{name}/{digest}", limit=1)
        return msgspec.convert(found[0].body, Version) if found else None


def _answers(body: Mapping[str, object], wanted: str, versions: int) -> bool:
    """Whether a version is the one that is wanted."""
    if wanted == "latest":
        return body["number"] == versions
    if len(wanted) < _SHORTEST:
        return str(body["number"]) == wanted
    return str(body["digest"]).startswith(wanted.lower())


def _require_same_case(view: Snapshot, name: str) -> None:
    known = view.get(_NAMES, name.lower())
    if known is not None and known.body["name"] != name:
        raise Conflict(
            f"There is a dataset '{known.body['name']}', which differs from '{name}' in case alone.",
            code="SAME_NAME",
            remedy=f"Write '{known.body['name']}', or choose another name.",
        )
