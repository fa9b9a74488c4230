"""What an operation is: one command, with its typed input, its policy and the function that does it."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from modelyard.access import Permission, PermissionDenied, Principal, authorize
from modelyard.core import InvalidInput, is_of_a_store
from modelyard.storage import StoreUnavailable
from modelyard.wiring import Project

Input = TypeVar("Input")


@dataclass(frozen=True)
class Option:
    """How one field of an input is spelled on the command line: its help, whether it needs no `--name`, a short `-n`.

    Used inside `Annotated[...]`. Fields without a default are required. `local` fields name what only this machine
    has, a file or an address to ask from here, and cannot be sent to a remote control plane; they have a default.
    """

    help: str
    positional: bool = False
    flag: str | None = None
    short: str | None = None
    local: bool = False


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


def options_of(input_type: type) -> dict[str, Option]:
    """How each field of an input is spelled; one that no command line has needs no help."""
    hints = get_type_hints(input_type, include_extras=True)
    annotated = {name: hint for name, hint in hints.items() if get_origin(hint) is Annotated}
    return {name: get_args(annotated[name])[1] if name in annotated else Option("") for name in hints}


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
    """Carry out an operation for a principal, by default the project's own, when its policy allows.

    A principal that is for some deployments only is refused whatever is not about one of these.
    """
    caller = principal or project.principal
    authorize(caller, operation.permission)
    if caller.deployments:
        _require_deployment(caller, operation, given)
    _require_text(given)
    try:
        return operation.run(Call(project, given, caller))
    except Exception as error:
        if not is_of_a_store(error):
            raise
        raise StoreUnavailable(
            f"The object store does not answer as asked: {error}.",
            remedy="Check the URL, the credentials (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...) and what they may do.",
        ) from error


def _require_text(given: Any) -> None:
    """InvalidInput for half a character (a lone surrogate): what a shell makes of bytes that are no UTF-8."""
    for field in fields(given):
        value = getattr(given, field.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str) and not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
                raise InvalidInput(
                    f"'{field.name}' is {ascii(text)[:80]}, which is no Unicode text.",
                    context={"path": field.name},
                    remedy="Send it as UTF-8.",
                )


def _require_deployment(caller: Principal, operation: Operation[Any], given: object) -> None:
    deployment = getattr(given, "deployment", None)
    if isinstance(deployment, str):
        authorize(caller, operation.permission, deployment=deployment)
        return
    raise PermissionDenied(
        f"The key '{caller.name}' is for {', '.join(caller.deployments)} only, and '{operation.name}' is about more.",
        context={"principal": caller.name, "operation": operation.name},
        remedy="Name the deployment, where the command takes one, or use a key without --deployment.",
    )
