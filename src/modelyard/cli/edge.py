"""The process edge: results on stdout, talk on stderr, errors as sentences with an exit code."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelyard.core import Conflict, Failed, Forbidden, InvalidInput, ModelyardError, NotFound

if TYPE_CHECKING:
    from modelyard.wiring import Project

EXIT_FAILED, EXIT_USAGE, EXIT_DRIFT, EXIT_REFUSED, EXIT_NOT_FOUND, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED = (
    1, 2, 3, 4, 5, 6, 130,
)  # fmt: skip

_EXIT_CODES: tuple[tuple[type[ModelyardError], int], ...] = (
    (InvalidInput, EXIT_USAGE),
    (NotFound, EXIT_NOT_FOUND),
    (Conflict, EXIT_REFUSED),
    (Forbidden, EXIT_REFUSED),
    (Failed, EXIT_FAILED),
)


def exit_code(error: ModelyardError) -> int:
    """The exit code of an error's branch; 1 for what has no code of its own."""
    return next((code for branch, code in _EXIT_CODES if isinstance(error, branch)), EXIT_FAILED)


def run(command: click.Command) -> int:
    """Run the command line of this process and return its exit code. No error of ours ends in a traceback."""
    try:
        command.main(prog_name="modelyard", standalone_mode=False)
    except ModelyardError as error:
        return _report(error)
    except click.UsageError as error:
        error.show()
        return EXIT_USAGE
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left, which is its right
        return 0
    return 0


def _report(error: ModelyardError) -> int:
    if "--json" in sys.argv:
        document = {"code": error.code, "message": error.message, "context": error.context, "remedy": error.remedy}
        click.echo(json.dumps({"error": document}, default=str))
    click.echo(f"{click.style('Error', fg='red', bold=True)} [{error.code}]: {error.message}", err=True)
    if error.remedy.strip():
        click.echo(error.remedy.strip(), err=True)
    return exit_code(error)


def emit(result: Any, *, as_json: bool, show: Callable[[Any], None]) -> None:
    """Print a result for a person, or as one JSON document."""
    if as_json:
        click.echo(json.dumps(result, indent=2, default=str, allow_nan=False))
        return
    show(result)


@contextmanager
def open_project(folder: Path) -> Iterator["Project"]:
    """The project in a folder, closed again when the command ends."""
    from modelyard.wiring import Project  # noqa: PLC0415 - `--help` must not pay for it

    project = Project.open(folder)
    try:
        yield project
    finally:
        project.close()
