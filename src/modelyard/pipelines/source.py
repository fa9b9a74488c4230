"""A pipeline's file, plain or exported, in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .description import Description
from .exported import describe_exported
from .jsonfile import read_json
from .plain import describe_plain


def describe_file(path: Path) -> Description:
    """What a JSON file says of a pipeline. InvalidPipeline when the file cannot be read as JSON at all."""
    return describe_document(read_json(path))


def describe_document(data: Mapping[str, Any]) -> Description:
    """What a document says: an exported one names its format, any other is a plain one."""
    return describe_exported(data) if "format" in data else describe_plain(data)
