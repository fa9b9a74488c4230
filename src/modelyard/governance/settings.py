"""The `governance` section of the project file."""

from datetime import timedelta

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section


class GovernanceSettings(Section):
    """What a periodic audit asks of models in production."""

    recent: Duration = Field(
        timedelta(days=90), description="The oldest that a model in production, or its monitor's newest window, may be."
    )
