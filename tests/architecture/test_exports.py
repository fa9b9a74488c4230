"""What a room shows is complete, can be imported, is in order, and says what it is."""

import ast
import inspect
from functools import lru_cache
from importlib import import_module
from itertools import pairwise

import pytest

import modelyard

from .modules import ROOMS, SOURCES, trees

WITHOUT_EXPORTS = {"cli"}
"""Rooms that are only run: their one public name is the entry point."""

OPEN_ROOMS = [room for room in ROOMS if room not in WITHOUT_EXPORTS]
each_room = pytest.mark.parametrize("room", OPEN_ROOMS)


def exports(room: str) -> list[str]:
    """The public names of a room."""
    return list(import_module(f"modelyard.{room}").__all__)


def test_every_room_says_what_it_shows() -> None:
    """Each has `__all__`, and begins with what it owns."""
    modules = {room: import_module(f"modelyard.{room}") for room in ROOMS}
    assert {room for room, module in modules.items() if not hasattr(module, "__all__")} == WITHOUT_EXPORTS
    assert [room for room, module in modules.items() if not module.__doc__] == []


@each_room
def test_the_names_of_a_room_can_be_imported(room: str) -> None:
    """Each is there, once, and is nothing private."""
    module, names = import_module(f"modelyard.{room}"), exports(room)
    assert [name for name in names if not hasattr(module, name)] == []
    assert len(names) == len(set(names))
    assert [name for name in names if name.startswith("_")] == []


@each_room
def test_the_names_of_a_room_are_in_order(room: str) -> None:
    """Constants, then classes, then functions, each by the alphabet."""
    assert exports(room) == sorted(exports(room), key=lambda name: (not name.isupper(), name[0].islower(), name))


@each_room
def test_the_names_of_a_room_are_complete(room: str) -> None:
    """All that its `__init__` takes from its files, and all that other rooms take from it."""
    shown = set(exports(room))
    assert gathered(room) == shown
    assert wanted(room) <= shown


def gathered(room: str) -> set[str]:
    """The names that a room's `__init__` imports from its own files."""
    nodes = [node for node in ast.walk(trees()[f"{room}/__init__.py"]) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes if node.level == 1 for alias in node.names}


def wanted(room: str) -> set[str]:
    """The names that the package imports from a room, except files of it."""
    own = {path.stem for path in (SOURCES / room).iterdir()}
    return {name for module, name in imported() if module == f"modelyard.{room}"} - own


@lru_cache(maxsize=1)
def imported() -> frozenset[tuple[str, str]]:
    """Every module that the package imports names from, with each name."""
    nodes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return frozenset((node.module or "", alias.name) for node in nodes for alias in node.names)


@each_room
def test_every_name_of_a_room_says_what_it_is(room: str) -> None:
    """A docstring: of the class or function itself, or behind a constant."""
    module, attributes = import_module(f"modelyard.{room}"), documented_constants(room)
    silent = {name for name in exports(room) if name not in attributes and not own_docstring(getattr(module, name))}
    assert not silent


def own_docstring(thing: object) -> str:
    """The docstring that a class or function itself was written with; none for values."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return ""
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    return "" if text is None or text.startswith(f"{thing.__name__}(") else text  # dataclass writes such ones itself


def documented_constants(room: str) -> set[str]:
    """The names of a room's files that are assigned with a string right behind."""
    found: set[str] = set()
    for tree in [tree for file, tree in trees().items() if file.startswith(f"{room}/")]:
        found |= {
            name
            for node, following in pairwise(tree.body)
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            for name in assigned(node)
        }
    return found


def assigned(node: ast.stmt) -> set[str]:
    """The names that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}


def test_the_root_shows_what_it_says_and_type_checkers_see_the_same() -> None:
    """Names come when first used; their homes are repeated for type checkers."""
    names = [name for name in modelyard.__all__ if name != "__version__"]
    assert names == sorted(names)
    assert [name for name in names if getattr(modelyard, name, None) is None] == []
    tree = trees()["__init__.py"]
    seen = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen - {None} == set(names)
    assert dir(modelyard) == sorted(modelyard.__all__)


def test_a_docstring_made_by_dataclass_is_none() -> None:
    """`Point(x, y)` says nothing that the signature does not."""

    class Written:
        """Here."""

    made = type("Made", (), {"__doc__": "Made(x: int)"})
    assert own_docstring(Written) == "Here."
    assert own_docstring(made) == own_docstring(3) == ""
