"""Testing: the conformance suites of Modelyard's contracts, shipped so that drivers from outside can run them.

Subclass a suite, give its fixture, and pytest runs every promise of the contract over your driver.
"""

from .artifacts import ArtifactStoreSuite
from .online import OnlineStoreSuite
from .records import RecordStoreSuite

__all__ = ["ArtifactStoreSuite", "OnlineStoreSuite", "RecordStoreSuite"]
