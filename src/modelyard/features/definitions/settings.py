"""The project file's section."""

from datetime import timedelta

from pydantic import Field

from modelyard.core.durations import Duration
from modelyard.core.settings import Section


class FeaturesSettings(Section):
    """Where the project's feature views are defined, and how often they are brought online."""

    module: str = Field("features.py", description="Python file with entities and feature views, beside this one.")
    materialize_every: Duration | None = Field(
        timedelta(minutes=5),
        description="How often the control process brings what has become known to the online store; null: never.",
    )
