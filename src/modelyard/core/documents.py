"""Results as JSON, spelled the same wherever they are printed or sent."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any


def json_text(value: Any) -> str:
    """A JSON document in lines; NaN and infinities are null, and what JSON has no word for is its text."""
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
