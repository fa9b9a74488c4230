"""Pipelines: steps, their composition as a value, gates, and running them.

Owns the graph and the run. Does not own what the steps reach (data, features, registry come through
`Services`), or when a pipeline runs (`retraining`).
"""

from .authoring import Pipeline, Step, each, pipeline, step, when
from .context import Candidate, RunContext, Samples, Services, context
from .describe import describe
from .description import Clash, Description, Flaw, Stage, Wire
from .document import export_pipeline, read_graph
from .errors import InvalidPipeline, PipelineNotFound, StepFailed
from .exported import FORMAT
from .fits import hints_of
from .gate import gate, judge
from .graph import Condition, Each, Graph, Node, Options, Output, Parameter
from .load import PipelineSettings, RollbackSettings, load_pipeline
from .mermaid import draw_mermaid
from .origin import in_a_file, must_move
from .rules import RULES, Finding, Rule, check_pipeline
from .run import PipelineRun, StepRecord, find_run, run_pipeline
from .source import describe_document, describe_file
from .svg import draw_svg

__all__ = [
    "FORMAT",
    "RULES",
    "Candidate",
    "Clash",
    "Condition",
    "Description",
    "Each",
    "Finding",
    "Flaw",
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
    "RollbackSettings",
    "Rule",
    "RunContext",
    "Samples",
    "Services",
    "Stage",
    "Step",
    "StepFailed",
    "StepRecord",
    "Wire",
    "check_pipeline",
    "context",
    "describe",
    "describe_document",
    "describe_file",
    "draw_mermaid",
    "draw_svg",
    "each",
    "export_pipeline",
    "find_run",
    "gate",
    "hints_of",
    "in_a_file",
    "judge",
    "load_pipeline",
    "must_move",
    "pipeline",
    "read_graph",
    "run_pipeline",
    "step",
    "when",
]
