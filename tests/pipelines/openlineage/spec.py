"""What OpenLineage asks of an event, in our own words.

Facts of https://openlineage.io/spec/2-0-2/OpenLineage.json and of the facets beside it: which keys an event, a run, a
job and a dataset must have, of what type and format, and what each facet requires. One that is not listed is refused.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

SPEC = "https://openlineage.io/spec"
TYPES = {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
REQUIRED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "run": {
        "parent": ("run", "job"),
        "processing_engine": ("version",),
        "errorMessage": ("message", "programmingLanguage"),
    },
    "job": {"jobType": ("processingType", "integration"), "sourceCodeLocation": ("type", "url")},
    "dataset": {
        "version": ("datasetVersion",),
        "schema": ("fields",),
        "dataSource": ("name", "uri"),
        "datasetType": ("datasetType",),
    },
    "output": {"outputStatistics": ("size",)},
}
"""What facets require, by what they belong to; `_producer` and `_schemaURL` every one."""


def check_event(event: Any) -> None:
    """AssertionError where an event is not what the specification says."""
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    _uri(event["producer"])
    kind = event["schemaURL"].removeprefix(f"{SPEC}/2-0-2/OpenLineage.json#/$defs/")
    if kind == "DatasetEvent":
        assert not {"run", "job"} & set(event)
        _dataset(event["dataset"])
        return
    assert kind == "RunEvent"
    assert event["eventType"] in TYPES
    assert str(UUID(event["run"]["runId"])) == event["run"]["runId"]
    _facets(event["run"]["facets"], "run")
    _named(event["job"])
    _facets(event["job"]["facets"], "job")
    for each in [*event["inputs"], *event["outputs"]]:
        _dataset(each)


def _dataset(dataset: Any) -> None:
    _named(dataset)
    _facets(dataset["facets"], "dataset")
    _facets(dataset.get("outputFacets", {}), "output")
    for field in dataset["facets"].get("schema", {}).get("fields", ()):
        assert isinstance(field["name"], str)
        assert isinstance(field["type"], str)
    if (source := dataset["facets"].get("dataSource")) is not None:
        _uri(source["uri"])


def _named(thing: Any) -> None:
    assert thing["namespace"]
    assert thing["name"]
    assert isinstance(thing["name"], str)


def _facets(facets: Any, of: str) -> None:
    for name, facet in facets.items():
        assert set(REQUIRED[of][name]) <= set(facet), name
        _uri(facet["_producer"])
        told = re.fullmatch(rf"{SPEC}/facets/\d+-\d+-\d+/(\w+)\.json#/\$defs/(\w+)", facet["_schemaURL"])
        assert told is not None
        assert told[1] == told[2]


def _uri(text: str) -> None:
    assert urlsplit(text).scheme, text
    assert " " not in text
