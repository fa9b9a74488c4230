"""Installed distributions."""

import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

_MOST = 5_000
_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.(?:dist|egg)-info")

_KNOWN = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
}
"""Distributions of other names than their module. Any other is looked up, which takes a second."""


@cache
def distributions() -> dict[str, str]:
    """The version of every distribution on this process' path, by its normalized name (PEP 503); at most 5,000.

    Read from the names of the folders that installers leave behind: reading what is in them takes a second.
    """
    found: dict[str, str] = {}
    for place in sys.path:
        folder = Path(place or ".")
        for each in folder.glob("*-info") if folder.is_dir() else ():
            if matched := _INFO.fullmatch(each.name):
                found.setdefault(re.sub(r"[-_.]+", "-", matched["name"]).lower(), matched["version"])
    return dict(sorted(found.items())[:_MOST])


def requirements_of(modules: Iterable[str]) -> list[str]:
    """`name==version` of the distributions that top-level modules come from; those of none, or several, left out."""
    foreign = sorted(set(modules) - sys.stdlib_module_names)
    return sorted({line for module in foreign for line in _lines(module)}, key=str.lower)


@cache
def _lines(module: str) -> tuple[str, ...]:
    for name in _KNOWN.get(module, (module,)):
        try:
            return (f"{name}=={metadata.version(name)}",)
        except metadata.PackageNotFoundError:
            continue
    homes = set(_homes().get(module, ()))  # of a name that several share, as `google`, nobody knows whose it is
    return tuple(f"{name}=={metadata.version(name)}" for name in homes) if len(homes) == 1 else ()


@cache
def _homes() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())
