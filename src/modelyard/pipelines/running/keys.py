"""Cache keys: everything that a step's result depends on, as far as it can be known before it runs."""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from modelyard.core import canonical_json, did_you_mean, digest_of

from ..errors import InvalidPipeline
from ..graph import Graph, Node
from .order import Taken

FORMAT = 1
"""Raise it when the same step would give other bytes because the engine changed: no earlier result is used then."""

_NEVER = ("register", "deploy")

Versions = Callable[[str], str | None]
"""The version that a dataset has now; None when that cannot be told without reading it through code."""


@dataclass(frozen=True)
class Uncached:
    """Why a step is not cached."""

    reason: str


def components_of(
    node: Node,
    inputs: Mapping[str, Any],
    code: Mapping[str, str],
    seed: int,
    context_seed: int,
    versions: Versions,
    *,
    deterministic: bool = False,
) -> dict[str, Any] | Uncached:
    """What the key of one call is made of; secrets are no part of it.

    In deterministic mode what an ordinary run trained is not taken: it was not tried twice, or had more threads.
    """
    if node.options.cache is False:
        return Uncached("it says cache=False")
    if node.kind in _NEVER:
        return Uncached(f"{node.kind} steps never are: they act on the world")
    if node.kind == "data" and not node.options.reads and node.options.cache is None:
        return Uncached("it is a data step that names no datasets it `reads`")
    reads = {name: versions(name) for name in node.options.reads}
    unknown = [name for name, found in reads.items() if found is None]
    if unknown:
        return Uncached(f"the version of {', '.join(unknown)} is only known by reading it")
    repeatable = deterministic and (node.kind == "train" or node.options.resources.get("cpus", 1) > 1)
    return {
        **({"deterministic": True} if repeatable else {}),
        "format": FORMAT,
        "kind": node.kind,
        "code": dict(code),
        "inputs": {name: describe(each) for name, each in inputs.items()},
        "seed": [seed, context_seed],
        "environment": environment_of(node),
        "reads": reads,
    }


def key_of(components: Mapping[str, Any]) -> str:
    """The key that components make; `shown` is only for people."""
    return digest_of(canonical_json({name: each for name, each in components.items() if name != "shown"}))


def describe(value: Any) -> Any:
    """The identities of the artifacts that stand in an input."""
    if isinstance(value, Taken):
        return value.identity
    if isinstance(value, Mapping):
        return {str(key): describe(each) for key, each in value.items()}
    return [describe(each) for each in value]


def environment_of(node: Node) -> dict[str, str]:
    """Python's version, and those of the distributions that a step names; InvalidPipeline for one not installed."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in node.options.environment:
        try:
            found[name] = version(name)
        except PackageNotFoundError as error:
            raise InvalidPipeline(
                f"Step '{node.name}' names the distribution '{name}' in its environment, which is not installed.",
                remedy=did_you_mean(name, ()) or "Install it, or correct its name.",
            ) from error
    return found


def check_cache_options(graph: Graph) -> None:
    """InvalidPipeline for steps that want to be cached and never are."""
    for node in graph.nodes:
        if node.options.cache and node.kind in _NEVER:
            raise InvalidPipeline(
                f"Step '{node.name}' says cache=True, but {node.kind} steps are never cached: they act on the world.",
                remedy="Leave cache out.",
            )


def seed_of(run_seed: int, node: Node, inputs: Mapping[str, Any], *, mapped: bool) -> int:
    """The seed of one call's generators: declared, or made of the run's seed and the step's name.

    Elements of a mapped step draw different numbers, whatever their order.
    """
    if node.options.seed is not None and not mapped:
        return node.options.seed
    first = run_seed if node.options.seed is None else node.options.seed
    content = [first, node.name, {name: describe(each) for name, each in inputs.items()} if mapped else None]
    return int(digest_of(canonical_json(content))[:8], 16)
