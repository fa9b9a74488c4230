"""Seldon Core: a SeldonDeployment a deployment."""

from .render import render

__all__ = ["render"]
