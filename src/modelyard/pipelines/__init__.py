"""Pipelines: steps, their composition as a value, gates, and running them.

Owns the graph and the run. Does not own what the steps reach (data, features, registry come through
`Services`), or when a pipeline runs (`retraining`).
"""

from .context import Candidate, RunContext, Samples, Services, context
from .errors import InvalidPipeline, PipelineNotFound, StepFailed
from .gate import gate, judge
from .graph import Graph, Node, Pipeline, Step, pipeline, step
from .load import PipelineSettings, load_pipeline
from .run import PipelineRun, StepRecord, find_run, run_pipeline

__all__ = [
    "Candidate",
    "Graph",
    "InvalidPipeline",
    "Node",
    "Pipeline",
    "PipelineNotFound",
    "PipelineRun",
    "PipelineSettings",
    "RunContext",
    "Samples",
    "Services",
    "Step",
    "StepFailed",
    "StepRecord",
    "context",
    "find_run",
    "gate",
    "judge",
    "load_pipeline",
    "pipeline",
    "run_pipeline",
    "step",
]
