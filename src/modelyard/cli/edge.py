"""The process edge: results on stdout, talk on stderr, errors as sentences with an exit code."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.core import (
    Conflict,
    Failed,
    Forbidden,
    InvalidInput,
    ModelyardError,
    NotFound,
    Unavailable,
    json_text,
    printable,
)

from .interrupts import interrupts_heard

if TYPE_CHECKING:
    from modelyard.access import Permission
    from modelyard.wiring import Project

    from .remote import Remote

EXIT_FAILED, EXIT_USAGE, EXIT_DRIFT, EXIT_REFUSED, EXIT_NOT_FOUND, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED = (
    1, 2, 3, 4, 5, 6, 130,
)  # fmt: skip


class Inconclusive(ModelyardError):
    """A verdict that is neither pass nor fail: there was too little to tell."""

    code = "INCONCLUSIVE"


_EXIT_CODES: tuple[tuple[type[ModelyardError], int], ...] = (
    (InvalidInput, EXIT_USAGE),
    (NotFound, EXIT_NOT_FOUND),
    (Conflict, EXIT_REFUSED),
    (Forbidden, EXIT_REFUSED),
    (Failed, EXIT_FAILED),
    (Inconclusive, EXIT_INCONCLUSIVE),
)


def exit_code(error: ModelyardError) -> int:
    """The exit code of an error's branch; 1 for what has no code of its own."""
    return next((code for branch, code in _EXIT_CODES if isinstance(error, branch)), EXIT_FAILED)


def run(command: click.Command) -> int:
    """Run the command line of this process and return its exit code. No error of ours ends in a traceback."""
    try:
        with interrupts_heard():
            ended = command.main(prog_name="modelyard", standalone_mode=False)
    except ModelyardError as error:
        return _report(error)
    except click.UsageError as error:
        vars(error)["message"] = printable(error.message)
        error.show()
        _print_error("USAGE", error.format_message(), {}, "")
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left, which is its right
        return 0
    except OSError as error:
        remedy = "Look at the file or folder it names, and at the disk: modelyard doctor."
        return _report(Unavailable(f"The operating system refused: {error}.", code="OS_ERROR", remedy=remedy))
    return ended if isinstance(ended, int) else 0  # the code of an early exit, which click returns


def _report(error: ModelyardError) -> int:
    _print_error(error.code, error.message, error.context, error.remedy)
    talk(error)
    return exit_code(error)


def _print_error(code: str, message: str, context: Mapping[str, object], remedy: str) -> None:
    """The error as the one document that `--json` promises."""
    if "--json" in sys.argv:
        document = {"code": code, "message": message, "context": context, "remedy": remedy}
        click.echo(json_text({"error": document}))


def talk(error: ModelyardError) -> None:
    """An error as a sentence on stderr, with what to do about it."""
    click.echo(f"{click.style('Error', fg='red', bold=True)} [{error.code}]: {error.message}", err=True)
    if error.remedy.strip():
        click.echo(error.remedy.strip(), err=True)


def emit(result: Any, *, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a result for a person, or as one JSON document."""
    if as_json:
        click.echo(json_text(result))
        return
    show(result)


def remote_of(folder: Path | None = None) -> "Remote | None":
    """The remote control plane that this command line asks; None when it is about this machine.

    `--project` says that it is, against the variable MODELYARD_URL; against `--url` it says too much.
    """
    context = click.get_current_context(silent=True)
    remote: Remote | None = context.find_root().obj if context is not None else None
    if remote is None or folder is None:
        return remote
    if not remote.flag:
        return None
    raise click.UsageError("--url and --project do not go together: one is there, the other here.")


@contextmanager
def open_project(folder: Path, needs: "Permission") -> Iterator["Project"]:
    """The project in a folder for who may do this there, closed again when the command ends."""
    from modelyard.access import authorize  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import Project  # noqa: PLC0415 - `--help` must not pay for it

    project = Project(folder)
    try:
        authorize(project.principal, needs)
        yield project
    finally:
        project.close()
