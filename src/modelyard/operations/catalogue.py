"""Every operation there is, found where it is written: whoever derives from them misses none."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from .contract import Operation


@cache
def catalogue() -> tuple[Operation[Any], ...]:
    """Every operation of this room, in the order of their names. Imports all of its files."""
    package = import_module(__package__ or "")
    found: dict[str, Operation[Any]] = {}
    for module in pkgutil.iter_modules(package.__path__):
        for each in vars(import_module(f"{package.__name__}.{module.name}")).values():
            if isinstance(each, Operation):
                found[each.name] = each
    return tuple(found[name] for name in sorted(found))
