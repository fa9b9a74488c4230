"""The rooms and modules of the package: imported, and as syntax trees."""

import ast
import pkgutil
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import modelyard

SOURCES = Path(modelyard.__file__).parent
ROOMS = sorted(each.name for each in pkgutil.iter_modules(modelyard.__path__) if each.ispkg)
_NOT_IMPORTED = ("__main__", "migrations", "features.feast")
"""Programs, what Alembic runs, and what Feast imports."""


def modules_of(room: str) -> list[ModuleType]:
    """A room and every module in it."""
    package = import_module(f"modelyard.{room}")
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None)
    names = [each.name for each in found if not any(part in each.name for part in _NOT_IMPORTED)]
    return [package, *(import_module(name) for name in names)]


@lru_cache(maxsize=1)
def trees() -> dict[str, ast.Module]:
    """Every file of the package, parsed, by its path in the package."""
    files = sorted(SOURCES.rglob("*.py"))
    return {file.relative_to(SOURCES).as_posix(): ast.parse(file.read_text()) for file in files}


@lru_cache(maxsize=1)
def given_codes() -> frozenset[str]:
    """The error codes that are given where an error is raised, beside those of classes."""
    nodes = [node for tree in trees().values() for node in ast.walk(tree)]
    values = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "code"]
    return frozenset(str(each.value) for each in values if isinstance(each, ast.Constant))


def every_module() -> list[ModuleType]:
    """Every module of every room."""
    return [module for room in ROOMS for module in modules_of(room)]
