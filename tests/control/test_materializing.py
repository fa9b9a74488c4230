"""The control process brings views online as often as the project file says."""

from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.control.scheduler import materialize_when_due
from modelyard.core import InvalidInput, ManualClock
from modelyard.online import LocalOnlineStore, RedisOnlineStore
from modelyard.wiring import Project

FEATURES = """
import pyarrow as pa
import modelyard as my

rows = pa.table({"key": ["a"], "at": pa.array([0], pa.timestamp("us", "UTC")), "value": [1.0]})
view = my.FeatureView("v", [my.Entity("key")], rows, "at", ["value"])
"""


def project(folder: Path, clock: ManualClock, settings: str) -> Project:
    """A project of one view."""
    (folder / "features.py").write_text(FEATURES)
    (folder / "modelyard.yaml").write_text(f"project: views\n{settings}\n")
    return Project(folder, clock=clock, environment={})


def test_views_are_brought_up_when_they_are_due(tmp_path: Path, clock: ManualClock) -> None:
    """At once, then not before the time has passed, whichever process did it last."""
    for _ in range(2):
        one = project(tmp_path, clock, "features: {materialize_every: 10m}")
        assert [each.view for each in materialize_when_due(one)] == ["v"]
        assert materialize_when_due(one) == []
        one.close()
        again = project(tmp_path, clock, "features: {materialize_every: 10m}")
        assert materialize_when_due(again) == []
        assert again.features.get_online_features(["v:value"], [{"key": "a"}]).to_dict()["value"] == [1.0]
        again.close()
        clock.set(clock.now() + timedelta(minutes=10))


@pytest.mark.parametrize("settings", ["features: {materialize_every: null}", ""])
def test_nothing_is_due_where_nothing_is_wanted(tmp_path: Path, clock: ManualClock, settings: str) -> None:
    """Null means by hand; a project may have no views."""
    one = project(tmp_path, clock, settings)
    assert materialize_when_due(one) == []
    one.close()


def test_the_project_file_says_where_the_online_store_is(tmp_path: Path, clock: ManualClock) -> None:
    """Servers are told by a file that nobody else may read, not by their command line; what is no address is told."""
    one = project(tmp_path, clock, "")
    assert isinstance(one.online, LocalOnlineStore)
    assert one.online_address() is None
    one.close()
    one = project(tmp_path, clock, "stores: {online: 'redis://:secret@127.0.0.1:1/0'}")
    assert isinstance(one.online, RedisOnlineStore)
    file = one.online_address()
    assert file is not None
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("redis://:secret@127.0.0.1:1/0", 0o600)
    one.close()
    with pytest.raises(InvalidInput, match="is no address of an online store"):
        project(tmp_path, clock, "stores: {online: 'http://:secret@host'}")
