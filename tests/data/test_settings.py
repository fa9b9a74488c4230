"""The `datasets` section: what it may say about reading."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from modelyard.data import DatasetSettings, ReadSettings

DATASET = {"event_time": "at", "known_at": "known", "label": "late"}


def test_how_a_dataset_is_read_becomes_options() -> None:
    """Types by their names."""
    options = ReadSettings(delimiter=";", types={"id": "string", "at": "timestamp[us, UTC]"}).options()
    assert options.delimiter == ";"
    assert options.types == {"id": pa.string(), "at": pa.timestamp("us", "UTC")}
    assert ReadSettings().options().types == {}


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ({"types": {"id": "int46"}}, "no type 'int46'"),
        ({"delimiter": ";;"}, "cannot delimit"),
        ({"encoding": "klingon"}, "no text encoding"),
        ({"format": "xlsx"}, "format"),
    ],
)
def test_what_has_no_meaning_is_refused(read: dict[str, object], said: str) -> None:
    """When the project file is read, not when the data is."""
    with pytest.raises(ValidationError, match=said):
        DatasetSettings.model_validate({"source": "a.csv", "read": read, **DATASET})


def test_a_function_reads_for_itself() -> None:
    """Options beside it would be ignored silently."""
    with pytest.raises(ValidationError, match="the source is a function"):
        DatasetSettings.model_validate({"source": "data.py:rows", "read": {"delimiter": ";"}, **DATASET})
