"""The project file's section."""

from pydantic import Field

from modelyard.core.settings import Section


class FeaturesSettings(Section):
    """Where the project's feature views are defined."""

    module: str = Field("features.py", description="Python file with entities and feature views, beside this one.")
