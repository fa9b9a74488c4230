"""Smoke tests: a bundle's golden rows asked of a running server, and the record of what it answered."""

from .records import SMOKE, Smoke, last_smoke
from .run import SmokeTests

__all__ = ["SMOKE", "Smoke", "SmokeTests", "last_smoke"]
