"""A backup holds all that a project's stores hold at one moment, and comes back whole or not at all."""

import hashlib
import shutil
import sqlite3
import tarfile
import threading
from contextlib import closing
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from modelyard.core import ManualClock
from modelyard.journal import Journal
from modelyard.online import LocalOnlineStore, StoredRow
from modelyard.operations.backups import take as backup_taking
from modelyard.operations.backups.archive import LISTING, read_listing
from modelyard.operations.backups.errors import BackupDamaged, NotRestored
from modelyard.operations.backups.put_back import put_back
from modelyard.operations.backups.take import take
from modelyard.storage import RecordStore
from modelyard.tracking import relocate
from modelyard.wiring import Project

from ..conftest import NOON
from ..databases import new_database
from ..history.samples import ids_of, prediction

ENVIRONMENT: dict[str, str] = {}


def beside(shop: Path, name: str = "again", environment: dict[str, str] | None = None) -> Project:
    """The same project file in another folder, with nothing in its workspace."""
    folder = shop.parent / name
    folder.mkdir()
    for file in (*shop.glob("*.py"), shop / "modelyard.yaml"):
        shutil.copy(file, folder)
    return Project(folder, clock=ManualClock(NOON), environment=environment or ENVIRONMENT)


@pytest.fixture
def project(trained: Path, shop: Path) -> Project:
    """A trained project with a log, features online and a pepper."""
    tracking = shop / ".modelyard" / "mlflow.db"
    assert relocate(tracking, (trained / ".modelyard").as_uri(), (shop / ".modelyard").as_uri())
    found = Project(shop, clock=ManualClock(NOON), environment=ENVIRONMENT)
    journal = Journal(found.journal_folder, "server", found.clock)
    journal.append([prediction(f"p{number}", NOON) for number in range(50)])
    journal.rotate()
    found.log.seal()
    journal.append([prediction(f"p{number}", NOON) for number in range(50, 60)])
    journal.close()
    online = LocalOnlineStore(found.online_folder)
    online.write("stats", [(("ada",), StoredRow(1, 1, (1.5,)))])
    online.close()
    (found.run_folder).mkdir(exist_ok=True)
    (found.run_folder / "pepper").write_bytes(b"p" * 32)
    return found


@pytest.fixture
def file(project: Project, tmp_path: Path) -> Path:
    """A backup of it."""
    take(project, tmp_path / "shop.tar")
    return tmp_path / "shop.tar"


def held(project: Project) -> dict[str, object]:
    """All that a project's stores tell."""
    with project.records.snapshot() as view:
        records = list(view.everything())
    online = LocalOnlineStore(project.online_folder, readonly=True)
    found = {
        "records": records,
        "audit": project.audit.verify().intact,
        "log": sorted(ids_of(project.log)),
        "online": online.read("stats", [("ada",)]),
        "artifacts": sorted(project.artifacts.digests()),
        "pepper": (project.run_folder / "pepper").read_bytes(),
    }
    online.close()
    return found


def test_what_comes_back_is_what_was_taken(project: Project, file: Path) -> None:
    """Records, log, online rows, artifacts, metrics, pepper; MLflow finds its artifacts in the new folder."""
    again = beside(project.file.folder)
    listing = put_back(again, file)
    assert held(again) == held(project)
    assert (listing.project, listing.beyond) == (project.settings.project, ())
    assert file.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(again.workspace / "mlflow.db")) as tracking:
        places = [each for (each,) in tracking.execute("SELECT artifact_location FROM logged_models")]
    assert places
    assert all(Path(urlsplit(each).path).is_dir() for each in places)
    assert all(each.startswith(again.workspace.as_uri()) for each in places)


def test_a_backup_is_of_one_moment_whoever_writes(project: Project, tmp_path: Path) -> None:
    """Decisions, predictions, sealing and checkpoints go on: each backup verifies, and lacks nothing it refers to."""
    ending = threading.Event()

    def live() -> None:
        mine = project.another()
        journal, number = Journal(mine.journal_folder, "other", mine.clock), 1000
        while not ending.is_set():
            with mine.records.transaction() as tx:
                mine.audit.record(tx, mine.principal, "lived", str(number))
            mine.checkpoints.write()
            journal.append([prediction(f"p{number}", NOON)])
            journal.rotate()
            mine.log.seal()
            number += 1
        journal.close()
        mine.close()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        for attempt in range(4):
            take(project, tmp_path / f"{attempt}.tar")
    finally:
        ending.set()
        thread.join()
    seen = 0
    for attempt in range(4):
        again = beside(project.file.folder, f"again-{attempt}")
        put_back(again, tmp_path / f"{attempt}.tar")
        report = again.checkpoints.verify()
        assert report.intact, report.why
        assert report.covered <= report.entries
        ids = ids_of(again.log)
        assert len(ids) == len(set(ids)) >= max(60, seen)
        seen = len(ids)
        again.close()


def test_checkpoints_that_are_written_meanwhile_are_no_gap_and_no_lie(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One right before the records are taken, and one right behind: the first is in the backup, the second is not."""
    taken = backup_taking._write_records

    def lived() -> None:
        with project.records.transaction() as tx:
            project.audit.record(tx, project.principal, "lived", "on")
        assert project.checkpoints.write() is not None

    def meanwhile(records: RecordStore, file: Path) -> tuple[int, int]:
        lived()
        found = taken(records, file)
        lived()
        return found

    monkeypatch.setattr(backup_taking, "_write_records", meanwhile)
    take(project, tmp_path / "shop.tar")
    again = beside(project.file.folder, "again")
    put_back(again, tmp_path / "shop.tar")
    report = again.checkpoints.verify()
    assert (report.intact, report.covered, report.why) == (True, report.entries, "")
    assert project.checkpoints.verify().entries == report.entries + 1
    again.close()


def test_a_part_of_a_backup_is_refused(project: Project, file: Path) -> None:
    """Wherever the file ends, and whatever byte of a member is another: nothing is restored, and it is said."""
    whole, again = file.read_bytes(), beside(project.file.folder)
    with tarfile.open(file) as tar:
        places = [(each.offset_data + each.size // 2) for each in tar if each.size]
    for cut in range(0, len(whole) - 20_000, len(whole) // 25):
        file.write_bytes(whole[:cut])
        with pytest.raises(BackupDamaged):
            put_back(again, file)
    for place in places:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupDamaged):
            put_back(again, file)
    assert not again.workspace.exists()
    assert [each.name for each in again.file.folder.iterdir() if each.name.startswith(".")] == []
    file.write_bytes(whole)
    put_back(again, file)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "link"])
def test_a_hostile_backup_writes_nothing_outside(project: Project, file: Path, name: str) -> None:
    """Names that leave the folder, and members that are no files, even where the listing names them."""
    listing = read_listing(file)
    body = b"x"
    members = {**listing.members, name: hashlib.sha256(body).hexdigest()}
    with tarfile.open(file) as old, tarfile.open(file.with_name("evil.tar"), "w") as new:
        for each in old:
            if each.name != LISTING:
                new.addfile(each, old.extractfile(each))
        told = tarfile.TarInfo(name)
        if name == "link":
            told.type, told.linkname = tarfile.SYMTYPE, "/etc/passwd"
            new.addfile(told)
        else:
            told.size = len(body)
            new.addfile(told, BytesIO(body))
        text = msgspec.json.encode({**msgspec.to_builtins(listing), "members": members})
        told = tarfile.TarInfo(LISTING)
        told.size = len(text)
        new.addfile(told, BytesIO(text))
    again = beside(project.file.folder)
    with pytest.raises(BackupDamaged, match="which it does not list"):
        put_back(again, file.with_name("evil.tar"))
    assert not again.workspace.exists()
    assert not (again.file.folder / "out").exists()


def test_nothing_that_is_there_is_lost_to_a_restore(project: Project, file: Path) -> None:
    """Stores are not written over, nor keys that the backup has not; the same keys may be there."""
    with pytest.raises(NotRestored, match=r"holds .*artifacts"):
        put_back(project, file)
    again = beside(project.file.folder)
    keys = again.workspace / "keys"
    keys.mkdir(parents=True)
    (keys / "mine.pem").write_text("private")
    with pytest.raises(NotRestored, match="not a key of the backup"):
        put_back(again, file)
    assert (keys / "mine.pem").read_text() == "private"
    (project.workspace / "keys").mkdir(exist_ok=True)
    (project.workspace / "keys" / "mine.pem").write_text("private")
    take(project, file)
    put_back(again, file)
    assert (keys / "mine.pem").read_text() == "private"


def test_a_restore_that_was_killed_is_begun_anew(project: Project, file: Path) -> None:
    """What it left beside the workspace is no part of what comes back."""
    again = beside(project.file.folder)
    left = again.workspace.with_name(f".{again.workspace.name}.restoring")
    (left / "artifacts").mkdir(parents=True)
    (left / "artifacts" / "half").write_text("x")
    put_back(again, file)
    assert not left.exists()
    assert not (again.workspace / "artifacts" / "half").exists()


def test_a_backup_moves_a_project_to_other_stores(project: Project, file: Path, postgres: str) -> None:
    """From SQLite and a folder to PostgreSQL and another artifact store, and from there back again."""
    elsewhere = project.file.folder.parent / "elsewhere"
    moved = {
        "MODELYARD_STORES_RECORDS": new_database(postgres),
        "MODELYARD_STORES_ARTIFACTS": str(elsewhere),
    }
    cluster = beside(project.file.folder, "cluster", moved)
    put_back(cluster, file)
    assert held(cluster) == held(project)
    assert not (cluster.workspace / "artifacts").exists()
    listing = take(cluster, file)
    assert listing.beyond == ("stores.artifacts",)
    home = beside(project.file.folder, "home")
    put_back(home, file)
    with home.records.snapshot() as view, project.records.snapshot() as first:
        assert list(view.everything()) == list(first.everything())
