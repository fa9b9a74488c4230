"""Definitions: what users write, and what it reads.

A new kind of definition is a class in a file of its own that inherits `Definition`: `load_definitions` finds it.
"""

from .definition import Definition, check_definition, wrong_labels
from .entity import Entity
from .feature import Feature, features_of
from .gathered import Definitions, load_definitions
from .pushes import PUSHED_AT, PushLog, PushSource
from .rows import Rows
from .settings import FeaturesSettings
from .sources import Source
from .sql import SqlSource
from .view import AVAILABLE, EVENT, FeatureView, Stale, ViewPart

__all__ = [
    "AVAILABLE",
    "EVENT",
    "PUSHED_AT",
    "Definition",
    "Definitions",
    "Entity",
    "Feature",
    "FeatureView",
    "FeaturesSettings",
    "PushLog",
    "PushSource",
    "Rows",
    "Source",
    "SqlSource",
    "Stale",
    "ViewPart",
    "check_definition",
    "features_of",
    "load_definitions",
    "wrong_labels",
]
