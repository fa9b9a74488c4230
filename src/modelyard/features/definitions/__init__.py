"""Definitions: what users write, and what it reads.

A new kind of definition is a class in a file of its own that inherits `Definition`: `load_definitions` finds it.
"""

from .code import Code
from .definition import Definition, check_definition, wrong_labels
from .entity import Entity
from .feature import Feature, features_of
from .gathered import Definitions, load_definitions
from .on_demand import OnDemandInput, OnDemandPart, OnDemandView, on_demand_view
from .pushes import PushSource
from .request import RequestSource
from .rows import Rows
from .service import FeatureService
from .settings import FeaturesSettings
from .sources import Source
from .sql import SqlSource
from .streams import StreamSource
from .view import AVAILABLE, EVENT, FeatureView, Stale, ViewPart

__all__ = [
    "AVAILABLE",
    "EVENT",
    "Code",
    "Definition",
    "Definitions",
    "Entity",
    "Feature",
    "FeatureService",
    "FeatureView",
    "FeaturesSettings",
    "OnDemandInput",
    "OnDemandPart",
    "OnDemandView",
    "PushSource",
    "RequestSource",
    "Rows",
    "Source",
    "SqlSource",
    "Stale",
    "StreamSource",
    "ViewPart",
    "check_definition",
    "features_of",
    "load_definitions",
    "on_demand_view",
    "wrong_labels",
]
