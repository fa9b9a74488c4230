"""Which packages an image holds, pinned to what is installed where it is rendered."""

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modelyard.core import InvalidInput

SERVING = (
    "cryptography", "grpcio", "httptools", "lmdb", "msgspec", "numpy", "onnxruntime", "prometheus-client", "protobuf",
    "psutil", "treelite", "uvicorn", "uvloop",
)  # fmt: skip
"""What the data plane imports; `tests/export/test_image.py` proves that it is enough."""


def pinned(roots: Iterable[str], *, python: str, extras: Iterable[str] = ()) -> list[str]:
    """`name==version` of these distributions and all that they need on Linux (x86-64) with that Python, by name.

    `extras` are Modelyard's own. InvalidInput when one is not installed here: install it, then render again.
    """
    found: dict[str, str] = {}
    waiting = [(each, frozenset[str]()) for each in roots] + [("modelyard", frozenset(extras))] * bool(tuple(extras))
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        name = canonicalize_name(name)
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        found[name] = _version(name)
        waiting.extend(_needs(name, wanted, python))
    found.pop("modelyard", None)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError as error:
        raise InvalidInput(
            f"'{name}' is not installed here, so the image's version of it is not known.",
            code="NOT_INSTALLED",
            remedy=f"Install it and render again: pip install '{name}'. Or leave out what asks for it: export.extras.",
        ) from error


def _needs(name: str, extras: frozenset[str], python: str) -> Iterator[tuple[str, frozenset[str]]]:
    surroundings = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for each in _requirements(name):
        asked = extras or {""}
        if each.marker is None or any(each.marker.evaluate({**surroundings, "extra": extra}) for extra in asked):
            yield each.name, frozenset(each.extras)


@cache
def _requirements(name: str) -> tuple[Requirement, ...]:
    """What an installed distribution says it needs."""
    return tuple(map(Requirement, metadata.requires(name) or ()))
