"""Smoke tests: a bundle's golden rows asked of a running server, and the record of what it answered."""

from .records import Smoke, last_smoke
from .running import SmokeTests

__all__ = ["Smoke", "SmokeTests", "last_smoke"]
