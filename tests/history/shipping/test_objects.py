"""Files of a log in an object store: put once, replaced as the log is, and outliving it."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from modelyard.history import (
    ObjectsUnavailable,
    RetentionSettings,
    Shipped,
)
from modelyard.journal import (
    FAMILIES,
)

from .machines import Machines


def listed(bucket: Path) -> dict[str, int]:
    """The files that count there, with their rows, by the listing."""
    (listing,) = bucket.glob("log-*.json")
    return {each["path"]: each["rows"] for each in json.loads(listing.read_text())["files"]}


def found(bucket: Path) -> set[str]:
    """The files that are there."""
    return {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()} - {
        path.name for path in bucket.glob("log-*.json")
    }


def test_files_go_to_objects_once(machines: Machines, tmp_path: Path) -> None:
    """Whole, by partition; a file that was cut short there is put again, and nothing else is touched."""
    machines.write(*(f"a{number}" for number in range(9)))
    machines.seal()
    shipper = machines.objects(tmp_path / "bucket")
    assert shipper.ship().families == {"predictions": 9, "truths": 3, "outcomes": 0, "sketches": 0}
    assert shipper.ship().records == 0
    assert found(tmp_path / "bucket") == set(listed(tmp_path / "bucket"))
    (there,) = (tmp_path / "bucket" / "predictions").rglob("*.parquet")
    (here,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    assert there.parent.name == here.parent.name
    assert pq.read_table(there).equals(pq.read_table(here))
    there.write_bytes(b"cut")
    left = there.with_name(f".{there.name}.0.tmp")
    left.write_bytes(b"half")
    other = there.with_name("other-000000000001-00000.parquet")
    other.write_bytes(b"of another log")
    assert machines.objects(tmp_path / "bucket").ship().records == 0
    assert there.read_bytes() == here.read_bytes()
    assert not left.exists()
    assert other.exists()


def test_an_empty_log_is_not_shipped_to_nowhere(machines: Machines, tmp_path: Path) -> None:
    """A place that cannot be written is told although nothing is new; a place that can has a listing of nothing."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ObjectsUnavailable, match="cannot be shipped"):
        machines.objects(tmp_path / "file").ship()
    assert machines.objects(tmp_path / "bucket").ship().records == 0
    assert listed(tmp_path / "bucket") == {}


def test_objects_follow_compaction_and_redaction_and_outlive_retention(machines: Machines, tmp_path: Path) -> None:
    """A record is in one file there, redacted when it is redacted here; days that are deleted here stay."""
    bucket = tmp_path / "bucket"
    for name in "abc":
        machines.write(name)
        machines.seal()
        assert machines.objects(bucket).ship().records == 2
    machines.log.compact(everything=True)
    machines.log.redact(prediction_ids=["b"])
    assert machines.objects(bucket).ship().records == 0
    assert found(bucket) == set(listed(bucket))
    assert sorted(listed(bucket).values()) == [3, 3]
    (file,) = (bucket / "predictions").rglob("*.parquet")
    rows = {each["prediction_id"]: each["has_features"] for each in pq.read_table(file).to_pylist()}
    assert rows == {"a": True, "b": False, "c": True}
    machines.write("d")
    machines.seal()
    retired = machines.log.retire(RetentionSettings(predictions=timedelta(days=1)))
    assert (retired.records, retired.unshipped) == (4, {"bucket": 1})
    assert machines.objects(bucket).ship() == Shipped(1, {**dict.fromkeys(FAMILIES, 0), "truths": 1}, lost=1)
    assert sum(listed(bucket).values()) == 3 + 4
    assert file.exists()


def test_a_damaged_file_replaces_nothing_there(machines: Machines, tmp_path: Path) -> None:
    """What was shipped before it was compacted into one that is damaged stays."""
    bucket = tmp_path / "bucket"
    for name in "ab":
        machines.write(name)
        machines.seal()
    machines.objects(bucket).ship()
    before = listed(bucket)
    machines.log.compact(everything=True)
    (here,) = (machines.here / "log" / "predictions").rglob("*.parquet")
    here.write_bytes(b"PAR1 no more PAR1")
    assert machines.objects(bucket).ship().records == 0
    now = listed(bucket)
    assert {each for each in before if each.startswith("predictions")} <= set(now)
    assert sum(now.values()) == 4


def test_a_place_that_is_not_to_be_had_is_told(machines: Machines, tmp_path: Path) -> None:
    """With its name."""
    machines.write("a")
    machines.seal()
    (tmp_path / "bucket").write_text("a file")
    with pytest.raises(ObjectsUnavailable, match="cannot be shipped to bucket"):
        machines.objects(tmp_path / "bucket").ship()
