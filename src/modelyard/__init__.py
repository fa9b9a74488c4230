"""Modelyard keeps machine-learning models running: train, gate, register, serve, roll out, watch, retrain.

The public names are here, each imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from modelyard.core import Judgement as Judgement
    from modelyard.data import check_leaks as check_leaks
    from modelyard.data import check_split as check_split
    from modelyard.data import check_table as check_table
    from modelyard.data import folds as folds
    from modelyard.data import read_table as read_table
    from modelyard.data import split as split
    from modelyard.data import split_by_time as split_by_time
    from modelyard.features import Aggregation as Aggregation
    from modelyard.features import AggregationView as AggregationView
    from modelyard.features import Entity as Entity
    from modelyard.features import Feature as Feature
    from modelyard.features import FeatureService as FeatureService
    from modelyard.features import FeatureView as FeatureView
    from modelyard.features import OnDemandView as OnDemandView
    from modelyard.features import PushSource as PushSource
    from modelyard.features import RequestSource as RequestSource
    from modelyard.features import SqlSource as SqlSource
    from modelyard.features import StreamSource as StreamSource
    from modelyard.features import on_demand_view as on_demand_view
    from modelyard.features import point_in_time_join as point_in_time_join
    from modelyard.inference import Encoder as Encoder
    from modelyard.inference import Field as Field
    from modelyard.inference import Signature as Signature
    from modelyard.inference import load_bundle as load_bundle
    from modelyard.monitoring import Alert as Alert
    from modelyard.monitoring import AlertSeverity as AlertSeverity
    from modelyard.monitoring import DriftResult as DriftResult
    from modelyard.monitoring import detect_drift as detect_drift
    from modelyard.monitoring import evaluate_alerts as evaluate_alerts
    from modelyard.monitoring import monitor_features as monitor_features
    from modelyard.monitoring import verify_webhook as verify_webhook
    from modelyard.operations.adopting import adopt as adopt
    from modelyard.operations.scoring import batch_predict as batch_predict
    from modelyard.pipelines import Candidate as Candidate
    from modelyard.pipelines import Rounds as Rounds
    from modelyard.pipelines import SearchResult as SearchResult
    from modelyard.pipelines import Shards as Shards
    from modelyard.pipelines import context as context
    from modelyard.pipelines import data_parallel as data_parallel
    from modelyard.pipelines import each as each
    from modelyard.pipelines import gate as gate
    from modelyard.pipelines import pipeline as pipeline
    from modelyard.pipelines import search as search
    from modelyard.pipelines import step as step
    from modelyard.pipelines import when as when
    from modelyard.stats import binary_metrics as binary_metrics
    from modelyard.wiring import Project as Project
    from modelyard.wiring import run as run

_HOMES = {
    "adopt": "operations.adopting",
    "batch_predict": "operations.scoring",
    "binary_metrics": "stats",
    "Alert": "monitoring",
    "AlertSeverity": "monitoring",
    "DriftResult": "monitoring",
    "detect_drift": "monitoring",
    "evaluate_alerts": "monitoring",
    "monitor_features": "monitoring",
    "verify_webhook": "monitoring",
    "step": "pipelines",
    "pipeline": "pipelines",
    "gate": "pipelines",
    "each": "pipelines",
    "when": "pipelines",
    "search": "pipelines",
    "SearchResult": "pipelines",
    "data_parallel": "pipelines",
    "Shards": "pipelines",
    "Rounds": "pipelines",
    "context": "pipelines",
    "Project": "wiring",
    "Judgement": "core",
    "Candidate": "pipelines",
    "Encoder": "inference",
    "Entity": "features",
    "Feature": "features",
    "FeatureView": "features",
    "Aggregation": "features",
    "AggregationView": "features",
    "FeatureService": "features",
    "OnDemandView": "features",
    "on_demand_view": "features",
    "RequestSource": "features",
    "PushSource": "features",
    "SqlSource": "features",
    "StreamSource": "features",
    "Field": "inference",
    "Signature": "inference",
    "check_leaks": "data",
    "check_split": "data",
    "check_table": "data",
    "folds": "data",
    "load_bundle": "inference",
    "point_in_time_join": "features",
    "read_table": "data",
    "run": "wiring",
    "split": "data",
    "split_by_time": "data",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604 - the names are the keys above


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'modelyard' has no attribute {name!r}")
    return getattr(import_module(f"modelyard.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
