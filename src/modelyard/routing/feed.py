"""The feed: a folder through which the control plane tells servers what to serve, and servers tell how they are."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from modelyard.core import Digest, Micros, atomic_write, check_name, make_folder, sync_folder, sync_tree

from .errors import FeedDamaged, StaleFeed
from .records import Feed, ServerStatus


class FeedFolder:
    """`feed.json` (replaced in one step), `bundles/<digest>/`, and `status/<server>.json`.

    One publisher at a time (the control plane's transaction sees to that); any number of readers. Readers see a whole
    feed or the one before it. Nothing here needs a database, so servers start and go on without the control plane.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "feed.json"

    def publish(self, feed: Feed) -> None:
        """Replace the feed durably; StaleFeed when a newer revision is out. The same revision again is harmless."""
        current = self.read()
        if current is not None and current.revision > feed.revision:
            raise StaleFeed(
                f"Feed revision {feed.revision} is older than the published {current.revision}.",
                context={"revision": feed.revision, "published": current.revision},
            )
        atomic_write(self._file, msgspec.json.format(msgspec.json.encode(feed), indent=1))

    def read(self) -> Feed | None:
        """The feed, or None before the first; FeedDamaged when the file is not a feed."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Feed)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise FeedDamaged(
                f"{self._file} is no feed: {error}.",
                remedy="It is written anew by the next change of a route, and by: modelyard up.",
            ) from error

    def stamp(self) -> tuple[int, int] | None:
        """Changes whenever the feed does; one `stat` call."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def bundle_path(self, digest: Digest) -> Path:
        """Where a bundle of this digest stands, once put."""
        return self._folder / "bundles" / check_name("bundle", digest)

    def put_bundle(self, source: Path, digest: Digest) -> Path:
        """Copy a bundle's folder beside the feed in one step, durably; what is there already stays."""
        target = self.bundle_path(digest)
        if target.exists():
            return target
        make_folder(target.parent)
        temporary = target.with_name(f".{digest}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary)
        sync_tree(temporary)
        try:
            temporary.rename(target)
        except OSError:  # another process put the same bundle in the meantime
            shutil.rmtree(temporary)
        sync_folder(target.parent)
        return target

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this server's turn among those that follow the feed: one at a time is inside the block."""
        make_folder(self._folder)
        descriptor = os.open(self._folder / ".turn", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write_status(self, status: ServerStatus) -> None:
        """Replace this server's status; no disk flush, a heartbeat need not survive a power cut."""
        path = self._folder / "status" / f"{check_name('server', status.server)}.json"
        atomic_write(path, msgspec.json.encode(status), durable=False)

    def remove_status(self, server: str) -> None:
        """Forget a server that has ended in good order."""
        (self._folder / "status" / f"{server}.json").unlink(missing_ok=True)

    def statuses(self, now: Micros, *, max_age_s: float = 10.0) -> tuple[ServerStatus, ...]:
        """The servers whose heartbeat is at most `max_age_s` old, by name."""
        found = []
        for path in sorted((self._folder / "status").glob("*.json")):
            try:
                status = msgspec.json.decode(path.read_bytes(), type=ServerStatus)
            except FileNotFoundError:  # it ended between the listing and the reading
                continue
            except (msgspec.MsgspecError, UnicodeDecodeError):  # what a power cut left of a server that is gone
                continue
            if now - status.heartbeat_us <= max_age_s * 1e6:
                found.append(status)
        return tuple(found)
