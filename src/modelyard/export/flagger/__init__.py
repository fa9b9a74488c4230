"""Flagger: traffic shifted by steps through Istio, judged by Prometheus."""

from .render import render

__all__ = ["render"]
