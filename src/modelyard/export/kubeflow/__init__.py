"""Kubeflow Pipelines: a pipeline as KFP v2 IR YAML."""

from .render import render

__all__ = ["render"]
