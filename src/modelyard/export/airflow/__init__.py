"""Airflow 3: DAG files of a pipeline, with pods or with processes of the worker."""

from .render import render

__all__ = ["render"]
