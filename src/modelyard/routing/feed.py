"""The feed: a folder through which the control plane tells servers what to serve, and servers tell how they are."""

import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from modelyard.core import Digest, Micros, atomic_write, check_name, make_folder, sync_folder, sync_tree
from modelyard.core.locks import alone

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
        return self._stamp(self._file)

    def _stamp(self, file: Path) -> tuple[int, int] | None:
        try:
            found = file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_ino

    def bundle_path(self, digest: Digest) -> Path:
        """Where a bundle of this digest stands, once put."""
        return self._folder / "bundles" / check_name("bundle", digest)

    def put_bundle(self, source: Path, digest: Digest) -> Path:
        """Copy a bundle's folder beside the feed in one step, durably; what is there already stays."""
        target = self.bundle_path(digest)
        if not target.exists():
            make_folder(target.parent)
            temporary = target.with_name(f".{digest}.{os.getpid()}")
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(source, temporary)
            sync_tree(temporary)
            try:
                temporary.rename(target)
            except OSError:
                shutil.rmtree(temporary)
                if not target.exists():  # else another process put the same bundle in the meantime
                    raise
        sync_folder(target.parent)  # also of what is there: whoever put it may have been refused this
        return target

    def turn(self) -> AbstractContextManager[None]:
        """Wait for this server's turn among those that follow the feed: one at a time is inside the block."""
        make_folder(self._folder)
        return alone(self._folder / ".turn")

    def write_status(self, status: ServerStatus) -> None:
        """Replace this server's status; no disk flush, a heartbeat need not survive a power cut."""
        path = self._folder / "status" / f"{check_name('server', status.server)}.json"
        atomic_write(path, msgspec.json.encode(status), durable=False)

    def remove_status(self, server: str) -> None:
        """Forget a server that has ended in good order."""
        (self._folder / "status" / f"{server}.json").unlink(missing_ok=True)

    def write_uses(self, who: str, uses: Mapping[str, Micros]) -> None:
        """Note when a process last saw each key it has seen; kept when it ends, and no disk flush."""
        path = self._folder / "uses" / f"{check_name('server', who)}.json"
        atomic_write(path, msgspec.json.encode({**self._uses_in(path), **uses}), durable=False)

    def uses(self) -> dict[str, Micros]:
        """When any process last saw each key, by the keys' ids."""
        found: dict[str, Micros] = {}
        for path in (self._folder / "uses").glob("*.json"):
            for key, at in self._uses_in(path).items():
                found[key] = max(at, found.get(key, at))
        return found

    def _uses_in(self, path: Path) -> dict[str, Micros]:
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Micros])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}

    def ask_for_new_segments(self) -> None:
        """Have every server that follows the feed begin new segments of the log, within a second."""
        atomic_write(self._folder / "segments", b"", durable=False)

    def segments_asked(self) -> tuple[int, int] | None:
        """Changes whenever new segments are asked for; one `stat` call."""
        return self._stamp(self._folder / "segments")

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
