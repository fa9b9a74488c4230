"""Kubeflow Pipelines: a pipeline as KFP v2 IR YAML of containers, and as lightweight components."""

from .render import render, specification

__all__ = ["render", "specification"]
