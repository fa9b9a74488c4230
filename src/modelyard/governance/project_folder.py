"""What a project's folder declares: CI workflows that call modelyard, and tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .records import Evidence

_WORKFLOWS = (
    ".github/workflows/*.yml", ".github/workflows/*.yaml", ".gitea/workflows/*.yml", ".gitea/workflows/*.yaml",
    ".gitlab-ci.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", ".circleci/config.yml", "Jenkinsfile",
    ".buildkite/pipeline.yml", ".woodpecker.yml", ".drone.yml", ".travis.yml",
)  # fmt: skip
_CALLS = re.compile(r"(?:^|[\s;&|\"'`(/])modelyard\s+[a-z]", flags=re.MULTILINE)
_JUDGES = re.compile(
    r"modelyard\s+(?:pipeline\s+(?:validate|run)|model\s+gate|data\s+validate|bundle\s+verify|audit\s+verify|maturity\s+--audit)"
)
_LARGEST, _MOST = 1_000_000, 2_000


def folder_evidence(folder: Path) -> list[Evidence]:
    """Workflows that call modelyard, those of them that a judgement can stop, and functions of tests.

    Workflows are looked for in the folder and in those above it, up to the root of the repository. Nothing is run.
    """
    workflows = [text for text in map(_workflow, _workflow_files(folder)) if _CALLS.search(text)]
    judging = [text for text in workflows if _JUDGES.search(text)]
    return [
        Evidence("ci.workflows", "declared", "CI workflows that call modelyard", len(workflows)),
        Evidence("ci.gates", "declared", "CI workflows that a judgement can stop", len(judging)),
        Evidence("tests.functions", "declared", "tests in the project's folder", sum(map(_tests, _test_files(folder)))),
    ]


def _workflow_files(folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents):
        for pattern in _WORKFLOWS:
            yield from sorted(place.glob(pattern))
        if (place / ".git").exists():
            return


def _workflow(file: Path) -> str:
    """What a workflow says, without comments."""
    return "\n".join(line.partition("#")[0] for line in _text(file).splitlines())


def _test_files(folder: Path) -> list[Path]:
    found = (each for pattern in ("tests/**/*.py", "test_*.py", "*_test.py") for each in folder.glob(pattern))
    return sorted({each for each in found if each.name.startswith("test_") or each.stem.endswith("_test")})[:_MOST]


def _tests(file: Path) -> int:
    """How many functions of tests a file has; none in what is no Python."""
    try:
        tree = ast.parse(_text(file))
    except (SyntaxError, ValueError, RecursionError):
        return 0
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return sum(each.name.startswith("test") for each in functions)


def _text(file: Path) -> str:
    """What a file says; nothing where it cannot be read, or is no text of a person's."""
    try:
        return file.read_text(errors="replace") if file.stat().st_size <= _LARGEST else ""
    except OSError:
        return ""
