"""KServe: an InferenceService a deployment."""

from .render import render

__all__ = ["render"]
