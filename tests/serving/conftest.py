"""What tests of the server share: a model with on-demand features."""

from typing import Any

import pytest

from modelyard.bundling import BuiltBundle

from ..conftest import PLAN, make_bundle

ON_DEMAND: dict[str, Any] = {
    "request": [
        *PLAN["request"],
        {"name": "pages", "kind": "number", "required": True},
        {"name": "channel", "kind": "category", "required": True},
        {"name": "sent", "kind": "category", "required": False},
    ],
    "views": [
        {
            "name": "stats",
            "entity_keys": ["customer"],
            "features": ["visits"],
            "inputs": ["label"],
            "stored": ["label", "visits"],
            "ttl_s": 3600.0,
        }
    ],
    "derived": [
        {
            "name": "made",
            "inputs": [
                {"name": "pages", "kind": "number", "feature": "pages"},
                {"name": "channel", "kind": "text", "feature": "channel"},
                {"name": "sent", "kind": "instant", "feature": "sent"},
                {"name": "visits", "kind": "number", "feature": "visits", "view": "stats"},
                {"name": "stats.label", "kind": "text", "feature": "label", "view": "stats"},
            ],
            "expressions": [
                ["per_visit", "pages / visits"],
                ["same_pages", "pages"],
                ["same_channel", "channel"],
                ["hour", "hour(sent)"],
                ["named", "stats.label + '/' + channel"],
                ["half", "per_visit / 2"],
            ],
            "features": ["same_pages", "same_channel", "hour", "named", "half"],
        }
    ],
}
"""Visits and a label are stored; what is made of them and of the request no model needs to take."""


@pytest.fixture(scope="session")
def on_demand_bundle(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """A bundle whose plan has on-demand features."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "on-demand", seed=3, plan=ON_DEMAND)
