"""How cycles are kept within bounds, and what they learn from."""

from datetime import time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from modelyard.core.cron import DAYS
from modelyard.core.durations import Duration, format_duration
from modelyard.core.settings import Section

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _as_time(value: Any) -> Any:
    """22:00 without quotes is a number in YAML, of minutes: read as what was meant."""
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 24 * 60:
        return time(value // 60, value % 60)
    if isinstance(value, int | float):
        raise ValueError("write a time of the day such as '22:00'")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


TimeOfDay = Annotated[time, BeforeValidator(_as_time)]
"""A time of the day, in the policy's time zone."""


class QuietHours(Section):
    """Hours in which no automatic cycle begins."""

    start: TimeOfDay = Field(alias="from", description="When they begin, such as '22:00'.")
    end: TimeOfDay = Field(alias="to", description="When they end; not later than `from`: on the next day.")
    days: tuple[Day, ...] = Field(DAYS, min_length=1, description="Days on which they begin.")  # type: ignore[arg-type]  # they are


class Budget(Section):
    """What automatic cycles may cost in seven days; cycles begun by hand count, and are never refused."""

    runs_a_week: int | None = Field(None, ge=1, description="Cycles that may begin; null: any number.")
    minutes_a_week: float | None = Field(
        None, gt=0, description="Minutes that steps may compute before no more cycles begin; null: any number."
    )


class Retry(Section):
    """What becomes of a training that failed."""

    retries: int = Field(1, ge=0, le=20, description="So many times it is tried again.")
    after: Duration = Field(timedelta(minutes=5), description="How long before the first; twice as long each time.")


class TrainingWindow(Section):
    """What of the history a candidate learns from. Pipelines take it as their parameter `window`."""

    kind: Literal["expanding", "sliding", "weighted"] = Field(
        "expanding",
        description="All history; the newest `length` of it; or all (of `length`), the newest weighing most.",
    )
    length: Duration | None = Field(None, description="How much history; needed when sliding.")
    half_life: Duration | None = Field(None, description="A row so old weighs half of a new one; needed when weighted.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.kind == "sliding" and self.length is None:
            raise ValueError("a sliding window needs `length`")
        if self.kind == "weighted" and self.half_life is None:
            raise ValueError("a weighted window needs `half_life`")
        if self.kind != "weighted" and self.half_life is not None:
            raise ValueError(f"a window that is {self.kind} weighs no row: `half_life` is for weighted ones")
        if self.kind == "expanding" and self.length is not None:
            raise ValueError("an expanding window has no `length`; a sliding one has")
        return self

    @property
    def params(self) -> dict[str, Any]:
        """What the pipeline is given of it: nothing for all of the history."""
        if self.kind == "expanding":
            return {}
        given = {"length": self.length, "half_life": self.half_life}
        return {"window": {name: format_duration(each) for name, each in given.items() if each is not None}}
