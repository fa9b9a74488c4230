"""Spark: batch scoring of any table that a cluster can read, on the bundle."""

from .render import render

__all__ = ["render"]
