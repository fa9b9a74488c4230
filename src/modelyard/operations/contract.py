"""What an operation is: one command, with its typed input, its policy and the function that does it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from modelyard.access import Permission, Principal, authorize
from modelyard.wiring import Project

Input = TypeVar("Input")


@dataclass(frozen=True)
class Option:
    """How one field of an input is spelled on the command line: its help, whether it needs no `--name`, a short `-n`.

    Used inside `Annotated[...]`. Fields without a default are required.
    """

    help: str
    positional: bool = False
    flag: str | None = None
    short: str | None = None


@dataclass(frozen=True)
class Call(Generic[Input]):
    """One call of an operation: the project it is about, what was asked, and by whom."""

    project: Project
    input: Input
    principal: Principal


@dataclass(frozen=True)
class Operation(Generic[Input]):
    """A command, known once. The CLI and the control API derive their parameters from `input_type`.

    `run` returns a JSON-able value. `local` operations touch this machine's files or processes and cannot be asked of
    a remote control plane.
    """

    noun: str
    verb: str
    summary: str
    permission: Permission
    input_type: type[Input]
    run: Callable[[Call[Input]], Any]
    local: bool = False

    @property
    def name(self) -> str:
        return f"{self.noun} {self.verb}".strip()


@dataclass(frozen=True)
class Nothing:
    """The input of operations that need none."""


def operation(
    noun: str, verb: str, permission: Permission, *, local: bool = False
) -> Callable[[Callable[[Call[Input]], Any]], Operation[Input]]:
    """Make an operation of a function of one `call: Call[SomeInput]`; its docstring begins with the summary."""

    def make(run: Callable[[Call[Input]], Any]) -> Operation[Input]:
        (input_type,) = run.__annotations__["call"].__args__
        summary = (run.__doc__ or "").strip().splitlines()[0]
        return Operation(noun, verb, summary, permission, input_type, run, local)

    return make


def carry_out(
    operation: Operation[Input], project: Project, given: Input, *, principal: Principal | None = None
) -> Any:
    """Carry out an operation for a principal, by default the project's, when its policy allows."""
    asking = principal or project.principal
    authorize(asking, operation.permission)
    return operation.run(Call(project, given, asking))
