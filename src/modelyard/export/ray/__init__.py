"""Ray: a pipeline as a job of a cluster."""

from .render import render

__all__ = ["render"]
