"""The feed is read whole, never goes back, and needs no database."""

import shutil
from pathlib import Path

import pytest

from modelyard.core import Digest, InvalidInput, Micros
from modelyard.routing import Feed, FeedDamaged, FeedFolder, ServerStatus, StaleFeed


def status(server: str, beat: int) -> ServerStatus:
    return ServerStatus(server, 1, "http://x", Micros(0), Micros(beat), 1, {}, ())


def test_a_feed_comes_back_and_its_stamp_changes(tmp_path: Path) -> None:
    """One stat tells that there is something new."""
    feed = FeedFolder(tmp_path)
    assert feed.read() is None
    assert feed.stamp() is None
    feed.publish(Feed(1, ()))
    stamp = feed.stamp()
    feed.publish(Feed(2, ()))
    assert feed.read() == Feed(2, ())
    assert feed.stamp() != stamp


def test_an_older_feed_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    """Going back takes a new revision; what is no feed is never served."""
    feed = FeedFolder(tmp_path)
    feed.publish(Feed(2, ()))
    with pytest.raises(StaleFeed, match="older than the published 2"):
        feed.publish(Feed(1, ()))
    (tmp_path / "feed.json").write_text('{"revision": 3, "routes": [], "strange": 1}')
    with pytest.raises(FeedDamaged, match="is no feed"):
        feed.read()


def test_bundles_are_put_once_and_names_stay_inside(tmp_path: Path) -> None:
    """The same digest again changes nothing; a digest is a name, not a path."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("1")
    feed = FeedFolder(tmp_path / "feed")
    first = feed.put_bundle(tmp_path / "source", Digest("a" * 64))
    (tmp_path / "source" / "file").write_text("2")
    assert feed.put_bundle(tmp_path / "source", Digest("a" * 64)) == first
    assert (first / "file").read_text() == "1"
    with pytest.raises(InvalidInput):
        feed.bundle_path(Digest("../up"))


def test_only_beating_servers_are_seen(tmp_path: Path) -> None:
    """A heartbeat that is too old does not count; a server that leaves is forgotten."""
    feed = FeedFolder(tmp_path)
    feed.write_status(status("old", 0))
    feed.write_status(status("new", 60_000_000))
    assert [each.server for each in feed.statuses(Micros(61_000_000))] == ["new"]
    feed.remove_status("new")
    assert feed.statuses(Micros(61_000_000)) == ()


def test_a_stored_feed_is_read(tmp_path: Path) -> None:
    """As the first release published it, of a deployment whose second version is live; it is never written anew."""
    shutil.copy(Path(__file__).with_name("stored") / "feed.json", tmp_path)
    feed = FeedFolder(tmp_path).read()
    assert feed is not None
    (route,) = feed.routes
    assert (feed.revision, route.deployment, route.generation, route.live.version) == (2, "shop", 2, "2")
    assert feed.policies["shop"].rows_limit == 1000
