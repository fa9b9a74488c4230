"""The `monitoring` and `alerts` sections of the project file."""

from datetime import timedelta

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section


class MonitorSettings(Section):
    """How one deployment is watched."""

    window: Duration = Field(timedelta(days=7), description="Length of a window, in event time.")
    metric: str = Field("accuracy", description="Metric compared with the model's baseline.")
    min_labels: int = Field(100, ge=1, description="Fewer labels than this judge no performance.")
    psi: float = Field(0.2, gt=0, description="A feature with more population stability index than this drifted.")
    distance: float = Field(0.15, gt=0, description="The same for KS (numbers) and total variation (categories).")
    missing: float = Field(0.15, gt=0, description="The same for the change of the share of missing values.")


class AlertSettings(Section):
    """Thresholds of the alerts that exist by default."""

    latency_p99: float = Field(200.0, gt=0, description="Milliseconds; warning.")
    error_rate: float = Field(0.01, ge=0, description="Share of requests; critical.")
    accuracy_drop: float = Field(0.05, gt=0, description="Below the baseline, in the monitor's metric; critical.")
    drift_score: float = Field(0.15, gt=0, description="Importance-weighted mean effect; warning.")
