"""GitHub Actions and GitLab CI."""

from .render import render

__all__ = ["render"]
