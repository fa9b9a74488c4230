"""Routes from operations: what asks only to read is a GET with query parameters, everything else a POST of JSON."""

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from modelyard.access import Permission
from modelyard.operations import Operation, carry_out, catalogue

from ..identity import Caller, Needs
from ..projects import Projects
from .answers import result
from .inputs import input_model, typed

PREFIX = "/api/v1"


class Told(BaseModel):
    """What is said of an error."""

    code: str = Field(description="Stable, for programs.")
    message: str = Field(description="What happened, with the values.")
    path: str | None = Field(None, description="The field that it is about.")
    remedy: str = Field(description="What to do.")
    context: dict[str, Any] = Field(default_factory=dict, description="The values, for programs.")


class Refusal(BaseModel):
    """An error."""

    error: Told


def path_of(operation: Operation[Any]) -> str:
    """`/api/v1/NOUN/VERB`; a verb of two words has two segments."""
    return "/".join([PREFIX, *operation.name.split()])


def method_of(operation: Operation[Any]) -> str:
    """GET for what only reads, by its permission; POST for everything else."""
    return "GET" if operation.permission is Permission.READ else "POST"


def operations_router(projects: Projects) -> APIRouter:
    """The routes of every operation that can be asked from elsewhere."""
    router = APIRouter()
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Refusal, "description": said}
        for status, said in (
            (400, "The input cannot be used."),
            (401, "Nobody knows who asks."),
            (403, "He may not, or a policy refuses it."),
            (404, "What it names is not there."),
            (409, "It has changed, or is there already."),
            (422, "A check or gate says no."),
            (503, "A part that is needed does not answer."),
        )
    }
    for each in catalogue():
        if each.local:
            continue
        router.add_api_route(
            path_of(each),
            _endpoint(each, projects),
            methods=[method_of(each)],
            name=each.name,
            operation_id=each.name.replace(" ", "_").replace("-", "_"),
            summary=each.summary,
            description=f"Takes the permission `{each.permission}`. On the command line: `modelyard {each.name}`.",
            tags=[each.noun],
            responses=refusals,
            response_class=Response,
        )
    return router


def _endpoint(operation: Operation[Any], projects: Projects) -> Callable[..., Response]:
    """A function for FastAPI, which runs it in a thread: it takes the caller, and the operation's input."""

    def endpoint(caller: Caller, given: BaseModel) -> Response:
        with projects.opened(caller.principal) as project:
            return result(carry_out(operation, project, typed(operation, given), principal=caller.principal))

    needs = Depends(Needs(operation.permission))
    made: Any = input_model(operation)
    taken = Annotated[made, Query() if method_of(operation) == "GET" else Body()]
    endpoint.__signature__ = Signature(  # type: ignore[attr-defined] # how FastAPI is told what a made function takes
        [
            Parameter("caller", Parameter.KEYWORD_ONLY, annotation=Annotated[Caller, needs]),
            Parameter("given", Parameter.KEYWORD_ONLY, annotation=taken),
        ]
    )
    return endpoint
