"""The route table: what matches, what does not, and that no path is there twice."""

import asyncio
import inspect
import json
import re
from typing import Any, cast

import pytest

from modelyard.access import NotAuthenticated, Permission
from modelyard.core import ModelyardError, Unavailable
from modelyard.serving.errors import BadRequest, NotServed, TooLarge
from modelyard.serving.protocols import ROUTES, Call, Reply, Route, RouteTable, status_of
from modelyard.serving.protocols.contract import sentence


def test_a_path_is_matched_with_its_parts() -> None:
    """A part ends at a slash or a colon."""
    found = RouteTable(ROUTES).find("POST", "/v1/models/fraud/versions/3:predict")
    assert found is not None
    assert found[0].template == "/v1/models/{model}/versions/{version}:predict"
    assert found[1] == {"model": "fraud", "version": "3"}


@pytest.mark.parametrize("path", ["/v2/", "/v2/models/", "/v2/models/a/b/infer", "/v1/models/a:b:predict", "/v22"])
def test_a_path_that_fits_no_template_is_not_found(path: str) -> None:
    """Neither a prefix nor an empty part is enough."""
    assert RouteTable(ROUTES).find("GET", path) is None


def test_a_path_for_another_method_says_which() -> None:
    """405 with Allow, in the protocol's words; where GET may come, so may HEAD."""
    table = RouteTable(ROUTES)
    for method, path, allow in (("GET", "/v2/models/a/infer", "POST"), ("POST", "/v1/models/a", "GET, HEAD")):
        found = table.find(method, path)
        assert found is not None
        answering: Any = found[0].handler(cast("Any", None), Call())
        reply = asyncio.run(answering)
        assert (reply.status, reply.headers["allow"]) == (405, allow)
        assert f"{path} is not for {method}" in json.loads(reply.body)["error"]


def test_every_route_is_there_once_and_is_asynchronous() -> None:
    """One handler for each method and template."""
    keys = [(route.method, route.template) for route in ROUTES]
    assert len(keys) == len(set(keys))
    assert all(inspect.iscoroutinefunction(route.handler) for route in ROUTES)


def test_only_probes_and_the_server_itself_are_open_to_everyone() -> None:
    """What names a model or takes rows asks for a permission, except whether it is ready."""
    open_to_all = {route.template for route in ROUTES if route.permission is None}
    assert open_to_all == {
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model}/ready",
        "/v2/models/{model}/versions/{version}/ready",
        "/ping",
        "/health",
        "/version",
    }


def test_the_deployment_in_a_path_is_always_called_model() -> None:
    """Whoever checks permissions looks there, and nowhere else."""
    parts = {part for route in ROUTES for part in re.findall(r"{(\w+)}", route.template)}
    assert parts == {"model", "version", "label"}
    placed = [route.template for route in ROUTES if "/models/" in route.template or "/deployments/" in route.template]
    assert [template for template in placed if "{model}" not in template] == []


def test_the_first_route_that_fits_decides() -> None:
    """A table is read from its beginning."""

    async def answer(_plane: object, _call: Call) -> Reply:
        return Reply(200, {}, b"")

    def refuse(error: ModelyardError) -> Reply:
        return Reply(status_of(error), {}, b"")

    routes = [Route("GET", f"/{template}", answer, Permission.READ, refuse) for template in ("a", "{any}")]
    found = [RouteTable(routes).find("GET", path) for path in ("/a", "/b")]
    assert [each[0].template for each in found if each] == ["/a", "/{any}"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(BadRequest, 400), (TooLarge, 413), (NotServed, 404), (NotAuthenticated, 401), (Unavailable, 503)],
)
def test_an_error_has_the_status_of_its_branch(error: type[ModelyardError], status: int) -> None:
    """4xx is the caller's to mend."""
    assert status_of(error("It is so.")) == status


def test_an_error_as_a_sentence_names_its_path_once() -> None:
    """In front, unless the message has it already."""
    there = BadRequest("Row 'a' is odd.", context={"path": "a"}, remedy="Even it.")
    apart = BadRequest("It is odd.", context={"path": "inputs[3]"}, remedy="Even it.")
    assert sentence(there) == "Row 'a' is odd. Even it."
    assert sentence(apart) == "inputs[3]: It is odd. Even it."


def test_the_assignment_key_comes_from_the_query_or_a_header() -> None:
    """The query goes first."""
    assert Call(query={"user_id": "a"}, headers={"x-entity-id": "b"}).key == "a"
    assert Call(headers={"x-entity-id": "b"}).key == "b"
    assert Call().key is None
