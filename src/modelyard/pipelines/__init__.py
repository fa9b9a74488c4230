"""Pipelines: steps, their composition as a value, gates, and running them.

Owns the graph and the run. Does not own what the steps reach (data, features, registry come through
`Services`), or when a pipeline runs (`retraining`).
"""

from .artifacts import Artifact
from .authoring import Pipeline, Step, each, pipeline, step, when
from .code import ProjectNames, fingerprint, forget_changed, generation_of
from .context import Candidate, RunContext, Samples, Services, Surroundings, context, in_run
from .datasets import DATA_CHANGED, DatasetState, LastRead, data_findings
from .describe import describe
from .description import Clash, Description, Flaw, Stage, Wire
from .document import export_pipeline, read_graph
from .errors import (
    BeingCleaned,
    CodeChanged,
    InvalidPipeline,
    NoSuchPart,
    NotDeterministic,
    NotShared,
    PipelineNotFound,
    RunActive,
    RunEnded,
    RunNotFound,
    ShardFailed,
    StepFailed,
    UnstorableResult,
)
from .exported import FORMAT
from .fits import hints_of
from .gate import gate, judge
from .graph import Condition, Each, Graph, Node, Options, Output, Parameter
from .kept_code import KeepsCode, RunCode, code_of_run
from .load import PipelineSettings, RollbackSettings, load_pipeline
from .mermaid import draw_mermaid
from .openlineage import (
    FileReceiver,
    LineageSettings,
    Origins,
    Registered,
    Sender,
    TellsLineage,
    dataset_event,
    receiver_of,
    run_events,
)
from .origin import in_a_file, must_move
from .rules import RULES, Finding, Rule, check_pipeline
from .running import (
    Cleaned,
    Cleaning,
    Engine,
    InBackground,
    Masked,
    Observer,
    PipelineRun,
    Place,
    Selection,
    StepRecord,
    Why,
    explain,
    find_run,
    last_read,
    list_runs,
    newest_runs,
    run_pipeline,
    run_step,
    seeded,
    worker_of,
)
from .search import SearchResult, TrialRecord, search
from .shards import Rounds, Shards, data_parallel
from .source import describe_document, describe_file
from .svg import draw_run, draw_svg
from .tracked import TrackedRuns

__all__ = [
    "DATA_CHANGED",
    "FORMAT",
    "RULES",
    "Artifact",
    "BeingCleaned",
    "Candidate",
    "Clash",
    "Cleaned",
    "Cleaning",
    "CodeChanged",
    "Condition",
    "DatasetState",
    "Description",
    "Each",
    "Engine",
    "FileReceiver",
    "Finding",
    "Flaw",
    "Graph",
    "InBackground",
    "InvalidPipeline",
    "KeepsCode",
    "LastRead",
    "LineageSettings",
    "Masked",
    "NoSuchPart",
    "Node",
    "NotDeterministic",
    "NotShared",
    "Observer",
    "Options",
    "Origins",
    "Output",
    "Parameter",
    "Pipeline",
    "PipelineNotFound",
    "PipelineRun",
    "PipelineSettings",
    "Place",
    "ProjectNames",
    "Registered",
    "RollbackSettings",
    "Rounds",
    "Rule",
    "RunActive",
    "RunCode",
    "RunContext",
    "RunEnded",
    "RunNotFound",
    "Samples",
    "SearchResult",
    "Selection",
    "Sender",
    "Services",
    "ShardFailed",
    "Shards",
    "Stage",
    "Step",
    "StepFailed",
    "StepRecord",
    "Surroundings",
    "TellsLineage",
    "TrackedRuns",
    "TrialRecord",
    "UnstorableResult",
    "Why",
    "Wire",
    "check_pipeline",
    "code_of_run",
    "context",
    "data_findings",
    "data_parallel",
    "dataset_event",
    "describe",
    "describe_document",
    "describe_file",
    "draw_mermaid",
    "draw_run",
    "draw_svg",
    "each",
    "explain",
    "export_pipeline",
    "find_run",
    "fingerprint",
    "forget_changed",
    "gate",
    "generation_of",
    "hints_of",
    "in_a_file",
    "in_run",
    "judge",
    "last_read",
    "list_runs",
    "load_pipeline",
    "must_move",
    "newest_runs",
    "pipeline",
    "read_graph",
    "receiver_of",
    "run_events",
    "run_pipeline",
    "run_step",
    "search",
    "seeded",
    "step",
    "when",
    "worker_of",
]
