"""Every engine keeps every promise; the local one here, Ray with the extras."""

from collections.abc import Mapping
from typing import Any

import pytest

from modelyard.testing import EngineSuite


class TestLocal(EngineSuite):
    """Worker processes on this machine."""

    @pytest.fixture(scope="module")
    @classmethod
    def execution(cls) -> Mapping[str, Any]:
        return {"local": {"workers": 2}}
