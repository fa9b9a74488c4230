"""Whatever lower libraries raise over data becomes the one error of this room."""

import zipfile
import zlib

import aiohttp
import pyarrow as pa
import pytest

from modelyard.core import NotFound
from modelyard.data import UnreadableData
from modelyard.data.reading.complaints import clip, mapped

RAISED = [
    *[each for each in vars(pa.lib).values() if isinstance(each, type) and issubclass(each, pa.ArrowException)],
    pa.ArrowMemoryError,
    pa.ArrowKeyError,
    pa.ArrowIndexError,
    pa.ArrowTypeError,
    OSError,
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    TimeoutError,
    ConnectionResetError,
    EOFError,
    ValueError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    OverflowError,
    ImportError,
    KeyError,
    zlib.error,
    zipfile.BadZipFile,
    aiohttp.ClientError,
]


@pytest.mark.parametrize("kind", RAISED, ids=lambda each: each.__name__)
def test_every_error_of_a_lower_library_is_mapped(kind: type[Exception]) -> None:
    """Each of Arrow's, found in its module; of the operating system, zlib, zip and HTTP. The cause is kept."""
    with pytest.raises(UnreadableData, match=r"^Cannot read rows\.csv: ") as caught, mapped("rows.csv"):
        raise kind("it failed " + "x" * 10_000)
    assert isinstance(caught.value.__cause__, kind)
    assert len(str(caught.value)) < 700


def test_errors_of_our_own_pass() -> None:
    """They say already what is wrong."""
    with pytest.raises(NotFound), mapped("rows.csv"):
        raise NotFound("a thing")


def test_values_are_shown_cut_and_escaped() -> None:
    """A message is one line."""
    assert clip("a\nb") == "'a\\nb'"
    assert len(clip("x" * 1000)) == 81
