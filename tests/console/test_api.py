"""The control API: every operation that can be asked from elsewhere, as on the command line, and nothing else."""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends

from modelyard.access import Permission, RouteWithoutPolicy
from modelyard.console import application, open_to_all
from modelyard.console.api.answers import STATUSES, answer
from modelyard.console.api.inputs import input_model
from modelyard.console.api.routes import method_of, path_of
from modelyard.core import ManualClock, ModelyardError, json_text
from modelyard.operations import (
    Call,
    Nothing,
    Operation,
    Option,
    carry_out,
    catalogue,
    models,
    operation,
    workspace,
)
from modelyard.wiring import Project

from ..architecture.test_error_tree import errors
from ..conftest import NOON
from .serving import Console, console_of

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

ASKED = [each for each in catalogue() if not each.local]


@pytest.fixture(scope="module")
def console(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """The trained project's console; tests that change much take one of their own."""
    folder = Path(shutil.copytree(trained, tmp_path_factory.mktemp("console") / "shop"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with console_of(folder, ManualClock(NOON)) as found:
            yield found


def test_every_operation_has_one_route_by_one_rule(console: Console) -> None:
    """What needs only the permission to read is a GET, everything else a POST; local ones have none."""
    document = console.get("/api/v1/openapi.json").json
    told = {
        (path, method.upper()): each["operationId"]
        for path, methods in document["paths"].items()
        for method, each in methods.items()
        if "session" not in path and path.startswith("/api/v1/") and not path.endswith("openapi.json")
    }
    assert told == {(path_of(each), method_of(each)): each.name.replace(" ", "_").replace("-", "_") for each in ASKED}
    assert {method_of(each) for each in ASKED if each.permission is Permission.READ} == {"GET"}
    assert {method_of(each) for each in ASKED if each.permission is not Permission.READ} == {"POST"}
    assert not {path_of(each) for each in catalogue() if each.local} & set(document["paths"])


@pytest.mark.parametrize("each", ASKED, ids=lambda each: each.name)
def test_a_route_is_documented(console: Console, each: Operation[Any]) -> None:
    """Its summary, its permission, each field with its help, and how errors look."""
    document = console.get("/api/v1/openapi.json").json
    told = document["paths"][path_of(each)][method_of(each).lower()]
    assert told["summary"] == each.summary
    assert f"`{each.permission}`" in told["description"]
    assert {"400", "401", "403", "404", "409", "422", "503"} <= set(told["responses"])
    fields = input_model(each).model_fields
    if method_of(each) == "GET":
        assert {name["name"] for name in told.get("parameters", [])} == set(fields)
    else:
        schema = told["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(document["components"]["schemas"][schema].get("properties", {})) == set(fields)
    assert [name for name, field in fields.items() if not field.description and each.name != "model gate"] == []


@pytest.mark.parametrize(
    ("path", "given", "command", "asked"),
    [
        ("status", {}, workspace.status, Nothing()),
        ("model/list", {"name": "purchase"}, models.list_models, models.ListModels("purchase")),
        ("model/show", {"name": "purchase", "version": "1"}, models.show_model, models.OneVersion("purchase", "1")),
        (
            "model/compare",
            {"name": "purchase", "versions": ["1", "1"]},
            models.compare_models,
            models.Compare("purchase", ("1", "1")),
        ),
    ],
)
def test_a_result_is_the_document_that_the_command_prints(
    console: Console, path: str, given: Any, command: Operation[Any], asked: Any
) -> None:
    """Byte for byte, with several values and defaults."""
    project = Project(console.folder, clock=console.clock, environment={})
    expected = carry_out(command, project, asked)
    project.close()
    answer = console.get(f"/api/v1/{path}", given)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.body.decode() == json_text(expected)


@pytest.mark.parametrize(
    ("path", "given", "status", "told"),
    [
        ("/api/v1/model/show", {"name": "purhcase"}, 404, {"code": "MODEL_VERSION_NOT_FOUND"}),
        ("/api/v1/model/show", {}, 400, {"code": "INVALID_INPUT", "path": "name"}),
        ("/api/v1/model/list", {"nmae": "x"}, 400, {"code": "INVALID_INPUT", "path": "nmae"}),
        ("/api/v1/audit/list", {"limit": "many"}, 400, {"code": "INVALID_INPUT", "path": "limit"}),
        ("/api/v1/model/lst", {}, 404, {"code": "NO_SUCH_ROUTE"}),
        ("/api/v1/model/promote", {}, 405, {"code": "WRONG_METHOD"}),
        ("/api/v1/pipeline/logs", {"run": "x"}, 404, {"code": "NO_SUCH_ROUTE"}),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_says_what_and_what_to_do(
    console: Console, path: str, given: Any, status: int, told: dict[str, str]
) -> None:
    """The field it is about, what exists, and never a status that blames the console."""
    found = console.get(path, given)
    assert found.status == status
    assert told.items() <= found.error.items()
    assert found.error["message"]
    assert found.error["remedy"]


def test_a_misspelt_field_gets_the_nearest_name_and_all_that_is_wrong_is_told(console: Console) -> None:
    """Of a body too; a field of this machine alone is none."""
    answer = console.post("/api/v1/model/promote", {"nam": "purchase", "version": 3})
    assert "name: field required" in answer.error["message"]
    assert "version: input should be a valid string" in answer.error["message"]
    answer = console.post("/api/v1/model/approve", {"name": "a", "version": "1", "stagee": "x"})
    assert "Did you mean 'stage'?" in answer.error["remedy"]
    for path, field in (("/api/v1/pipeline/run", "params"), ("/api/v1/deploy/smoke", "url")):
        answer = console.post(path, {field: "/etc/passwd"})
        assert (answer.status, answer.error["path"]) == (400, field)
    answer = console.ask("POST", "/api/v1/model/promote", b"{", content_type="application/json")
    assert answer.status == 400


def test_an_error_of_the_console_itself_tells_nothing_of_its_inside(shop: Path) -> None:
    """500, a code, and where to look."""
    pages = APIRouter()

    @pages.get("/broken", dependencies=[Depends(open_to_all)])
    def broken() -> str:
        raise RuntimeError("secret")

    with console_of(shop, None, pages) as console:
        answer = console.get("/broken")
    assert (answer.status, answer.error["code"]) == (500, "INTERNAL_ERROR")
    assert b"secret" not in answer.body


@pytest.mark.parametrize("error", errors(), ids=lambda error: error.__name__)
def test_an_error_has_the_status_of_its_branch(error: type[ModelyardError]) -> None:
    """Whatever the room; and the document says its code, its field and its values."""
    found = answer(error("It is so.", remedy="Do this.", context={"path": "a.b"}))
    branch = next(each for each in error.__mro__ if each in STATUSES)
    assert found.status_code == STATUSES[branch]
    assert json.loads(bytes(found.body)) == {
        "error": {
            "code": error.code, "message": "It is so.", "path": "a.b", "remedy": "Do this.", "context": {"path": "a.b"},
        }
    }  # fmt: skip


def test_a_route_without_a_policy_stops_the_start(shop: Path) -> None:
    """Also one of a router within the pages; and it is named."""
    inner, outer = APIRouter(), APIRouter()

    @inner.get("/secret")
    def secret() -> str:
        return "all of it"

    outer.include_router(inner, prefix="/deep")
    project = Project(shop, environment={})
    with pytest.raises(RouteWithoutPolicy, match="/secret"):
        application(project, outer)
    project.close()


def test_an_operation_that_needs_what_only_this_machine_has_is_no_route() -> None:
    """Found when the console is built, not when somebody asks."""

    @dataclass(frozen=True)
    class Takes:
        file: Annotated[Path, Option("A file.", local=True)]

    def read(call: Call[Takes]) -> Any:
        """Read it."""

    read.__annotations__ = {"call": Call[Takes]}
    with pytest.raises(TypeError, match="'file' of 'file read' is local"):
        input_model(operation("file", "read", Permission.READ)(read))


def test_a_change_of_the_project_file_counts_from_the_next_request(shop: Path) -> None:
    """And a file that is wrong is told, until it is right again."""
    with console_of(shop, ManualClock(NOON)) as console:
        file = shop / "modelyard.yaml"
        before = file.read_text()
        assert console.get("/api/v1/config/show").status == 200
        file.write_text(before + "\nunheard: of\n")
        os.utime(file, (1, 1))
        answer = console.get("/api/v1/config/show")
        assert (answer.status, answer.error["code"]) == (400, "INVALID_PROJECT_FILE")
        file.write_text(before + "\ngovernance: {recent: 3d}\n")
        os.utime(file, (2, 2))
        found = {each["path"]: each["value"] for each in console.get("/api/v1/config/show").json}
        assert found["governance.recent"] in ("3d", "P3D", "3 days, 0:00:00")


def test_the_console_is_healthy_when_it_answers(console: Console) -> None:
    """Anybody on this machine may ask."""
    assert console.get("/healthz").json == {"status": "up", "pid": os.getpid()}
