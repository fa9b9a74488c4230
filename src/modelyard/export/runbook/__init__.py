"""The operations guide of a project."""

from .render import render

__all__ = ["render"]
