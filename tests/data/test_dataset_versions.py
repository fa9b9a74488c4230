"""Versions: equal content is one version, nothing is half there, and a diff says what changed."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from modelyard.core import Conflict, InvalidInput, ManualClock, NotFound, digest_of
from modelyard.data import (
    DatasetVersionNotFound,
    Profile,
    UnreadableData,
    Version,
    VersionDiff,
    Versions,
    open_data,
    profile,
)
from modelyard.data.versions import diff as comparing
from modelyard.storage import ArtifactDamaged, open_artifact_store, open_record_store

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def opened(folder: Path) -> Versions:
    """The versions of stores in a folder."""
    folder.mkdir(exist_ok=True)
    records = open_record_store(f"sqlite:///{folder / 'records.db'}")
    records.migrate()
    return Versions(records, open_artifact_store(folder / "artifacts"), ManualClock(AT), folder / "cache")


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Versions of an empty project."""
    return opened(tmp_path)


def rows(count: int = 300, *, shift: float = 0.0, levels: Sequence[str] = ("de", "fr"), seed: int = 0) -> pa.Table:
    """A table whose amounts and countries can be moved."""
    random = np.random.default_rng(seed)
    return pa.table({"amount": random.normal(10 + shift, 2, count), "country": random.choice(list(levels), count)})


def written(folder: Path, table: pa.Table, name: str = "bookings.parquet") -> Path:
    """The table in a file."""
    pq.write_table(table, folder / name)
    return folder / name


def stored(folder: Path) -> set[str]:
    """What the artifact store holds."""
    return {each.name for each in (folder / "artifacts").rglob("*") if each.is_file()}


def test_a_version_is_numbered_and_says_what_it_holds(versions: Versions, tmp_path: Path) -> None:
    """Files, schema, rows, when, by whom; its profile is that of the rows."""
    file = written(tmp_path, rows())
    added = versions.add("bookings", [file], note="first", by="ann")
    version = added.version
    assert (added.new, version.label, version.rows, version.note, version.created_by) == (
        True, "bookings@1", 300, "first", "ann"
    )  # fmt: skip
    assert [(each.name, each.digest, each.bytes) for each in version.files] == [
        (file.name, digest_of(file.read_bytes()), file.stat().st_size)
    ]
    assert [(each.name, each.type) for each in version.columns] == [("amount", "double"), ("country", "string")]
    assert version.created_at == AT.isoformat()
    assert versions.profile(version).rows == 300


def test_the_digest_is_that_of_the_manifest(versions: Versions, tmp_path: Path) -> None:
    """Which anyone can recompute with sha256sum."""
    file = written(tmp_path, rows())
    version = versions.add("bookings", [file]).version
    content, size = digest_of(file.read_bytes()), file.stat().st_size
    manifest = f'{{"files":[{{"bytes":{size},"digest":"{content}","name":"bookings.parquet"}}],"format":1}}'
    assert version.digest == digest_of(manifest.encode())
    assert version.digest in stored(tmp_path)


def test_the_same_content_makes_no_new_version(versions: Versions, tmp_path: Path) -> None:
    """Whatever the folder it lies in, and also after another version."""
    first = versions.add("bookings", [written(tmp_path, rows())])
    versions.add("bookings", [written(tmp_path, rows(seed=1))])
    before = stored(tmp_path)
    (tmp_path / "copy").mkdir()
    again = versions.add("bookings", [written(tmp_path / "copy", rows())], note="not kept")
    assert (again.new, again.version) == (False, first.version)
    assert [each.number for each in versions.versions("bookings")] == [1, 2]
    assert stored(tmp_path) == before


def test_files_that_versions_share_are_stored_once(versions: Versions, tmp_path: Path) -> None:
    """Another dataset, or one more file: only what is new takes room."""
    january, february = written(tmp_path, rows(), "1.parquet"), written(tmp_path, rows(seed=1), "2.parquet")
    versions.add("bookings", [january])
    before = stored(tmp_path)
    versions.add("other", [january])
    assert stored(tmp_path) == before
    version = versions.add("bookings", [february, january]).version
    assert [each.name for each in version.files] == ["1.parquet", "2.parquet"]
    assert len(stored(tmp_path) - before) == 3  # the second file, the manifest and the profile
    assert versions.table("bookings@2").equals(pa.concat_tables([rows(), rows(seed=1)]))


@pytest.mark.parametrize("reference", [1, "1", "digest", "DIGEST"])
def test_a_version_is_found_by_number_or_digest(versions: Versions, tmp_path: Path, reference: int | str) -> None:
    """The beginning of a digest is enough; without anything the newest is meant."""
    first = versions.add("bookings", [written(tmp_path, rows())]).version
    second = versions.add("bookings", [written(tmp_path, rows(seed=1))]).version
    wanted = {"digest": first.digest[:8], "DIGEST": first.digest[:8].upper()}.get(str(reference), reference)
    assert versions.get("bookings", wanted) == first
    assert versions.get("bookings") == second == versions.get("bookings", "latest")


def test_what_is_not_there_is_said_with_what_is(versions: Versions, tmp_path: Path) -> None:
    """Names with the nearest, versions with their numbers."""
    with pytest.raises(DatasetVersionNotFound, match="There are none"):
        versions.get("bookings")
    versions.add("bookings", [written(tmp_path, rows())])
    with pytest.raises(DatasetVersionNotFound, match="Did you mean 'bookings'"):
        versions.get("boking")
    with pytest.raises(DatasetVersionNotFound, match=r"no version '2'.*1 to 1, and latest"):
        versions.get("bookings", 2)
    with pytest.raises(DatasetVersionNotFound, match="no dataset 'nothing'"):
        versions.versions("nothing")
    with pytest.raises(InvalidInput, match="does not say which version"):
        versions.table("bookings")
    with pytest.raises(Conflict, match="differs from 'Bookings' in case alone"):
        versions.add("Bookings", [written(tmp_path, rows(seed=2))])


def test_files_that_cannot_be_a_version_leave_nothing(versions: Versions, tmp_path: Path) -> None:
    """No file, a folder, one that is not there, the same name twice, no table, two schemas, a name with a slash."""
    good = written(tmp_path, rows())
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but no table")
    (tmp_path / "sub").mkdir()
    other = written(tmp_path, pa.table({"x": [1]}), "other.parquet")
    wrong: list[tuple[type[Exception], str, list[Path]]] = [
        (InvalidInput, "at least one file", []),
        (InvalidInput, "is a folder", [tmp_path]),
        (NotFound, "There is no file", [tmp_path / "nothing.csv"]),
        (InvalidInput, "share a name", [good, written(tmp_path / "sub", rows())]),
        (UnreadableData, "broken.parquet", [tmp_path / "broken.parquet"]),
        (InvalidInput, "its columns are not those of", [good, other]),
    ]
    for kind, said, files in wrong:
        with pytest.raises(kind, match=said):
            versions.add("bookings", files)
    with pytest.raises(InvalidInput, match="cannot name a dataset"):
        versions.add("book/ings", [good])
    assert (versions.versions(), stored(tmp_path)) == ([], set())


def test_a_file_that_changes_while_it_is_read_is_refused(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was profiled and what is stored would not be the same."""
    from modelyard.data.versions import versions as adding

    file = written(tmp_path, rows())

    def overtaken(files: Sequence[Path]) -> object:
        found = open_data(files)
        written(tmp_path, rows(seed=9))
        return found

    monkeypatch.setattr(adding, "open_data", overtaken)
    with pytest.raises(Conflict, match="changed while it was read"):
        versions.add("bookings", [file])
    assert versions.versions() == []


def test_files_come_back_as_they_were(versions: Versions, tmp_path: Path) -> None:
    """Read-only, verified when they leave the store, and from the copy afterwards."""
    file = written(tmp_path, rows())
    content = file.read_bytes()
    version = versions.add("bookings", [file]).version
    file.unlink()
    (back,) = versions.files(version)
    assert (back.read_bytes(), back.stat().st_mode & 0o222) == (content, 0)
    assert versions.files(version) == [back]


def test_damage_is_found_before_it_is_used(versions: Versions, tmp_path: Path) -> None:
    """And nothing of the version stays in the cache."""
    version = versions.add("bookings", [written(tmp_path, rows())]).version
    digest = version.files[0].digest
    held = tmp_path / "artifacts" / digest[:2] / digest
    held.chmod(0o644)
    held.write_bytes(b"damaged")
    with pytest.raises(ArtifactDamaged):
        versions.files(version)
    assert list((tmp_path / "cache").iterdir()) == []


def test_several_may_add_at_once(versions: Versions, tmp_path: Path) -> None:
    """Each content gets one number, and no number is given twice."""
    files = [written(tmp_path, rows(40, seed=seed), f"{seed}.parquet") for seed in range(4)]
    threads = [Thread(target=opened(tmp_path).add, args=("bookings", [file])) for file in [*files, *files]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = versions.versions("bookings")
    assert [each.number for each in found] == [1, 2, 3, 4]
    assert len({each.digest for each in found}) == 4


@pytest.mark.long
def test_a_killed_add_leaves_nothing_half_there(tmp_path: Path) -> None:
    """kill -9 while reading, storing, recording: no version, and adding again makes version 1."""
    file = written(tmp_path, rows(50))
    versions = opened(tmp_path)
    program = f"""
import os, signal
from pathlib import Path
from modelyard.core import SystemClock
from modelyard.data.versions import versions as adding
from modelyard.storage import open_artifact_store, open_record_store
from modelyard.storage.drivers.filesystem import FilesystemArtifactStore as Store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

places = [(adding, "open_data"), (Store, "put_file"), (Store, "_take_in"), (Store, "put_bytes"),
          (adding.Versions, "_record"), (adding, "Added")]
for holder, name in places:
    child = os.fork()
    if child == 0:
        setattr(holder, name, die)
        folder = Path({str(tmp_path)!r})
        records = open_record_store(f"sqlite:///{{folder / 'records.db'}}")
        store = open_artifact_store(folder / "artifacts")
        adding.Versions(records, store, SystemClock(), folder / "cache").add("bookings", [Path({str(file)!r})])
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, name
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert versions.versions() == []
    added = versions.add("bookings", [file])
    assert (added.new, added.version.number) == (True, 1)
    assert versions.table("bookings@1").equals(rows(50))


def diff(versions: Versions, folder: Path, before: pa.Table, after: pa.Table) -> VersionDiff:
    """What changed from one table to another."""
    for number, table in enumerate((before, after)):
        versions.add("bookings", [written(folder, table, f"{number}.parquet")])
    return versions.diff("bookings", 1, 2)


def test_a_diff_says_which_columns_changed_and_how_far(versions: Versions, tmp_path: Path) -> None:
    """Against the exact distances of the two samples."""
    from scipy import stats as oracle

    before, after = rows(900), rows(1000, shift=2, levels=("de", "us"), seed=1)
    found = diff(versions, tmp_path, before, after)
    amount, country = found.columns
    exact = oracle.ks_2samp(before["amount"].to_numpy(), after["amount"].to_numpy()).statistic
    assert (amount.verdict, amount.measure) == ("much", "ks")
    assert amount.distance == pytest.approx(exact, abs=0.01)
    assert amount.quantiles["0.5"] == pytest.approx((np.median(before["amount"]), np.median(after["amount"])))
    assert (country.verdict, country.levels_new, country.levels_gone) == ("much", ("us",), ("fr",))
    us = sum(each == "us" for each in after["country"].to_pylist()) / 1000
    assert country.distance == pytest.approx(us, abs=0.06)
    assert found.rows == (900, 1000)
    assert "900 rows before, 1,000 after (+100)." in found.sentences
    assert any("'amount' changed much" in each and "median" in each for each in found.sentences)


def test_a_diff_of_the_same_distribution_finds_nothing(versions: Versions, tmp_path: Path) -> None:
    """Other rows, of which chance alone decides."""
    found = diff(versions, tmp_path, rows(2000), rows(2000, seed=3))
    assert [each.verdict for each in found.columns] == ["same", "same"]
    assert found.sentences[-1] == "No column's values changed beyond what chance gives."


def test_chance_alone_is_seldom_called_a_change() -> None:
    """At most 1 table in 100 is promised; 15 tables of one column are tried."""
    drawn = [profile_of(rows(400, seed=seed).select(["amount"])) for seed in range(30)]
    pairs = zip(drawn[::2], drawn[1::2], strict=True)
    found = [comparing.diff_of(*before, *after).columns[0].verdict for before, after in pairs]
    assert found.count("same") >= 14


def profile_of(table: pa.Table) -> tuple[Version, Profile]:
    """A version that is nowhere, with its profile."""
    described = profile(table.schema, table.to_batches())
    nothing = digest_of(b"")
    return Version("x", 1, nothing, (), (), described.rows, nothing, "", ""), described


@pytest.mark.parametrize(
    ("before", "after", "distance"),
    [
        ([0, 1] * 50, [0] * 50 + [1] * 50, 0.0),
        ([5] * 40, [7] * 40, 1.0),
        ([0, 10] * 50, [5] * 100, 0.5),
        ([1, 2, 3, 4] * 25, [1, 2, 2, 4] * 25, 0.25),
    ],
)
def test_values_that_repeat_are_compared_exactly(before: list[int], after: list[int], distance: float) -> None:
    """Whole numbers and constants: no bin lies across a value."""
    first, second = (profile_of(pa.table({"x": each})) for each in (before, after))
    assert comparing.diff_of(*first, *second).columns[0].distance == pytest.approx(distance)


def test_a_diff_says_what_became_of_the_schema(versions: Versions, tmp_path: Path) -> None:
    """New, gone, retyped and reordered columns; what has another kind cannot be compared."""
    before = pa.table({"a": [1, 2, 3], "b": [1, 2, 3], "c": ["x", "y", "z"], "e": [1, 2, 3]})
    after = pa.table({"b": ["1", "2", "3"], "a": [1.0, 2.0, 3.0], "d": [1, 2, 3], "e": pa.nulls(3, pa.int64())})
    found = diff(versions, tmp_path, before, after)
    assert (found.columns_added, found.columns_removed, found.reordered) == (("d",), ("c",), True)
    assert [(each.name, each.before, each.after) for each in found.retyped] == [
        ("b", "int64", "string"), ("a", "int64", "double")
    ]  # fmt: skip
    assert {each.name: each.verdict for each in found.columns} == {"b": "unknown", "a": "same", "e": "unknown"}
    said = " ".join(found.sentences)
    for words in ("New columns: 'd'.", "Gone columns: 'c'.", "'b' was int64 and is string", "another order",
                  "missing in 0.0% before, 100.0% after"):  # fmt: skip
        assert words in said


def test_a_diff_names_the_files(versions: Versions, tmp_path: Path) -> None:
    """By name: new, gone, changed, the same."""
    one, two = written(tmp_path, rows(), "1.parquet"), written(tmp_path, rows(seed=1), "2.parquet")
    versions.add("bookings", [one, two])
    written(tmp_path, rows(seed=2), "2.parquet")
    versions.add("bookings", [two, one, written(tmp_path, rows(seed=3), "3.parquet")])
    files = versions.diff("bookings", 1, 2).files
    assert (files.added, files.removed, files.changed, files.same) == (("3.parquet",), (), ("2.parquet",), 1)


def test_rows_of_csv_have_versions_too(versions: Versions, tmp_path: Path) -> None:
    """The bytes are the version; the rows come back as they are read."""
    pa_csv.write_csv(rows(), tmp_path / "bookings.csv")
    assert versions.add("bookings", [tmp_path / "bookings.csv"]).version.rows == 300
    assert len(versions.table("bookings@1")) == 300
