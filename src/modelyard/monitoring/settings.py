"""The `monitoring` section of the project file; that of alerts is their own."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .records import DetectorName


def _in_utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC) if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


Instant = Annotated[datetime, AfterValidator(_in_utc)]
"""An instant in a settings model; in UTC where it does not say otherwise."""


class Period(Section):
    """A stretch of the log to compare with."""

    start: Instant = Field(alias="from", description="Its first instant.")
    end: Instant = Field(alias="to", description="The instant after its last.")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("`to` must be later than `from`")
        return self


class First(Section):
    """The first answers of a version, to compare its later ones with."""

    answers: int = Field(alias="first", ge=30, le=1_000_000, description="How many; they may take long to come.")


class MonitorSettings(Section):
    """How one deployment is watched."""

    window: Duration = Field(timedelta(days=7), description="Length of a window, in event time.")
    count: int | None = Field(None, ge=10, description="Answers that make a window, instead of `window`.")
    late: Duration = Field(
        timedelta(0), description="How long after its end a window waits for records and labels before it is judged."
    )
    revisions: int = Field(1, ge=0, le=60, description="How many later windows look at a window again.")
    reference: Literal["bundle", "previous"] | Period | First = Field(
        "bundle",
        description="What a window is compared with: `bundle`, `previous` (window), or `{from, to}`; of a language "
        "model `{from, to}` or `{first: ANSWERS}`.",
    )
    segments: tuple[str, ...] = Field((), max_length=10, description="Features whose every level is judged by itself.")
    most_segments: int = Field(20, ge=1, le=200, description="So many levels of each are judged, the commonest.")
    groups: tuple[str, ...] = Field((), max_length=10, description="Features whose levels must be treated alike.")
    fairness: float = Field(0.1, gt=0, lt=1, description="A larger difference of a group to the others is unfair.")
    metric: str = Field("accuracy", description="Metric compared with the model's baseline.")
    floors: dict[str, float] = Field(default_factory=dict, description="Metrics that must not be worse than this.")
    min_labels: int = Field(100, ge=1, description="Fewer labels than this judge no performance.")
    min_rows: int = Field(30, ge=1, description="Fewer answers than this judge no drift, quality or fairness.")
    psi: float = Field(0.2, gt=0, description="A feature with more population stability index than this drifted.")
    distance: float = Field(0.15, gt=0, description="The same for KS (numbers) and total variation (categories).")
    missing: float = Field(0.15, gt=0, description="The same for the change of the share of missing values.")
    unknown: float = Field(0.05, gt=0, description="A larger share of levels unknown to the model is bad quality.")
    outside: float = Field(0.05, gt=0, description="The same for numbers beyond all that training saw.")
    refused: float = Field(0.01, gt=0, description="The same for rows that the signature refused.")
    outliers: float = Field(0.05, gt=0, description="So much larger a share of outliers than in training is told.")
    multivariate: bool = Field(
        default=True, description="Whether all features are also compared together, on a sample."
    )
    concept: tuple[DetectorName, ...] = Field(
        ("adwin",),
        max_length=5,
        description="What watches labelled mistakes for concept drift: adwin, ddm, eddm, hddm, page_hinkley.",
    )
