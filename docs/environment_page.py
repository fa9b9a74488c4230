"""`environment.md`: every environment variable, from the settings, the sources and the entry point of containers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from docs.writing import ADVICE, MADE, advice, row

import modelyard
from modelyard.serving import container
from modelyard.wiring import environment_variables

SOURCES = Path(modelyard.__file__).parent
_FOR_TESTS = ("testing/executors.py", "pipelines/running/fault.py")


def environment_page() -> Iterator[str]:
    """Those of settings, those of commands, those of containers."""
    yield from (
        MADE,
        "",
        "# Environment variables",
        "",
        "## Of commands and processes",
        "",
        "| variable | what it says |",
        "|---|---|",
        *(row(f"`{name}`", advice("environment", name)) for name in sorted({*own_variables(), *ADVICE["environment"]})),
        "",
        "A receiver's address or secret under `alerts.notify` may be written `${NAME}`: then the variable of that name",
        "holds it. Steps of pipelines name the variables they need as `secrets`.",
        "",
        "## Of a serving container",
        "",
        "What `modelyard export docker` and `modelyard export kubernetes` render has no project file: the environment",
        "says everything.",
        "",
        *(line for line in (container.__doc__ or "").splitlines() if line.startswith("|")),
        "",
        "## Of settings",
        "",
        "Each stands over the [project file](project-file.md), below a flag. Values are read as the file's would be.",
        "",
        "| variable | setting |",
        "|---|---|",
        *(row(f"`{variable}`", f"`{path}`") for path, variable in sorted(environment_variables().items())),
    )


def own_variables() -> set[str]:
    """The variables named in the sources that are no setting's."""
    texts = [each.read_text() for each in SOURCES.rglob("*.py") if not each.as_posix().endswith(_FOR_TESTS)]
    nodes = (node for text in texts if "MODELYARD_" in text for node in ast.walk(ast.parse(text)))
    words = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {each for each in words if re.fullmatch(r"MODELYARD_[A-Z]+(_[A-Z]+)*", each)}
    return named - set(environment_variables().values())
