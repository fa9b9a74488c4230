"""Pipelines: steps, their composition as a value, gates, and running them.

Owns the graph and the run. Does not own what the steps reach (data, features, registry come through
`Services`), or when a pipeline runs (`retraining`).
"""

from .authoring import Pipeline, Step, each, pipeline, step, when
from .context import Candidate, RunContext, Samples, Services, context
from .errors import InvalidPipeline, PipelineNotFound, StepFailed
from .gate import gate, judge
from .graph import Condition, Each, Graph, Node, Options, Output, Parameter
from .load import PipelineSettings, load_pipeline
from .run import PipelineRun, StepRecord, find_run, run_pipeline

__all__ = [
    "Candidate",
    "Condition",
    "Each",
    "Graph",
    "InvalidPipeline",
    "Node",
    "Options",
    "Output",
    "Parameter",
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
    "each",
    "find_run",
    "gate",
    "judge",
    "load_pipeline",
    "pipeline",
    "run_pipeline",
    "step",
    "when",
]
