"""Dashboards for Grafana: what servers count, and what monitoring measures."""

from .render import render

__all__ = ["render"]
