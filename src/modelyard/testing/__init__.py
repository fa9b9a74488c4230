"""Testing: the conformance suites of Modelyard's contracts, shipped so that drivers from outside can run them, and an
upstream that plays faults.

Subclass a suite, give its fixture, and pytest runs every promise of the contract over your driver. Each is imported
when it is first used: processes that only do the tasks of one (`tasks`) need no pytest.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .artifacts import ArtifactStoreSuite
    from .engines import EngineSuite
    from .executors import ExecutorSuite
    from .guards import GuardSuite
    from .leases import LeaseSuite
    from .online import OnlineStoreSuite
    from .records import RecordStoreSuite
    from .streams import StreamSuite
    from .upstream import FaultyUpstream, faulty_upstream
    from .vectors import VectorIndexSuite

__all__ = [
    "ArtifactStoreSuite",
    "EngineSuite",
    "ExecutorSuite",
    "FaultyUpstream",
    "GuardSuite",
    "LeaseSuite",
    "OnlineStoreSuite",
    "RecordStoreSuite",
    "StreamSuite",
    "VectorIndexSuite",
    "faulty_upstream",
]

_HOMES = {
    "ArtifactStoreSuite": "artifacts",
    "EngineSuite": "engines",
    "ExecutorSuite": "executors",
    "GuardSuite": "guards",
    "FaultyUpstream": "upstream",
    "LeaseSuite": "leases",
    "OnlineStoreSuite": "online",
    "RecordStoreSuite": "records",
    "StreamSuite": "streams",
    "VectorIndexSuite": "vectors",
    "faulty_upstream": "upstream",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'modelyard.testing' has no attribute {name!r}")
    home = f"modelyard.testing.{_HOMES[name]}"
    if name.endswith("Suite") and home not in sys.modules:
        import pytest  # noqa: PLC0415 - processes that only do tasks have none

        pytest.register_assert_rewrite(home)  # so that a promise that is broken says what was found instead
    return getattr(import_module(home), name)
