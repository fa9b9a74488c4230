"""Tree ensembles walked by machine code, made on this machine from `kernel.py`. An extra: bundles serve without it."""

from .arrays import TREES_FILE, TREES_VERSION, TreeArrays, pack_trees, unpack_trees
from .code import Walk, compiled_walker, ready_walker

__all__ = [
    "TREES_FILE",
    "TREES_VERSION",
    "TreeArrays",
    "Walk",
    "compiled_walker",
    "pack_trees",
    "ready_walker",
    "unpack_trees",
]
