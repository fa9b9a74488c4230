"""What a shadow's answers may differ by."""

from typing import Literal

from pydantic import Field

from modelyard.core.settings import Section


class ResponseBounds(Section):
    """How far a shadow's answers may be from those that were given; what a response diff is judged by."""

    disagreement: float = Field(0.01, gt=0, lt=1, description="Share of pairs that may answer otherwise.")
    errors: float = Field(0.01, gt=0, lt=1, description="Share of copies that the shadow may fail at.")
    slow: float | None = Field(
        None, gt=0, lt=1, description="Share of pairs of which the shadow's alone may miss the latency objective."
    )
    score_delta: float | None = Field(
        None,
        gt=0,
        description="Scores further apart are another answer, too; if not set, values by 1%, vectors below cosine .99.",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="Chance of a wrong verdict, however often it is looked at.")
    segments: tuple[str, ...] = Field((), description="Features, or columns of the log, to show by their levels.")
    then: Literal["canary"] | None = Field(
        None, description="What follows a shadow rollout whose answers agree: canary, or nothing."
    )
