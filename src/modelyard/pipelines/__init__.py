"""Pipelines: steps, their composition as a value, gates, and running them.

Owns the graph and the run. Does not own what the steps reach (data, features, registry come through
`Services`), or when a pipeline runs (`retraining`).
"""

from .artifacts import Artifact
from .authoring import Pipeline, Step, each, pipeline, step, when
from .code import forget_changed
from .context import Candidate, RunContext, Samples, Services, Surroundings, context, in_run
from .errors import (
    CodeChanged,
    InvalidPipeline,
    NoSuchPart,
    PipelineNotFound,
    RunActive,
    RunEnded,
    RunNotFound,
    StepFailed,
    UnstorableResult,
)
from .gate import gate, judge
from .graph import Condition, Each, Graph, Node, Options, Output, Parameter
from .load import PipelineSettings, load_pipeline
from .running import (
    Engine,
    InBackground,
    Observer,
    PipelineRun,
    Place,
    Selection,
    StepRecord,
    explain,
    find_run,
    list_runs,
    run_pipeline,
)

__all__ = [
    "Artifact",
    "Candidate",
    "CodeChanged",
    "Condition",
    "Each",
    "Engine",
    "Graph",
    "InBackground",
    "InvalidPipeline",
    "NoSuchPart",
    "Node",
    "Observer",
    "Options",
    "Output",
    "Parameter",
    "Pipeline",
    "PipelineNotFound",
    "PipelineRun",
    "PipelineSettings",
    "Place",
    "RunActive",
    "RunContext",
    "RunEnded",
    "RunNotFound",
    "Samples",
    "Selection",
    "Services",
    "Step",
    "StepFailed",
    "StepRecord",
    "Surroundings",
    "UnstorableResult",
    "context",
    "each",
    "explain",
    "find_run",
    "forget_changed",
    "gate",
    "in_run",
    "judge",
    "list_runs",
    "load_pipeline",
    "pipeline",
    "run_pipeline",
    "step",
    "when",
]
