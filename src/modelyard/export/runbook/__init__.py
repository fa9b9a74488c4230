"""The operations guide of a project."""

from .render import render
from .steps import MEANING, STEPS

__all__ = ["MEANING", "STEPS", "render"]
