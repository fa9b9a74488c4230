"""Where a function is written: in a file of its own, so that it can be cached and shipped, or in a notebook."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any


def source_file(function: Callable[..., Any]) -> Path | None:
    """The Python file that a function is written in; None when there is none: a notebook cell, a prompt, `exec`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    path = Path(code.co_filename) if code is not None else None
    return path.absolute() if path is not None and path.suffix == ".py" and path.is_file() else None


def in_a_file(function: Callable[..., Any]) -> bool:
    """Whether another process can find the function again, and the cache can see when it changes."""
    return source_file(function) is not None and "<locals>" not in function.__qualname__


def must_move(function: Callable[..., Any]) -> str:
    """What to tell the author of a function that is not `in_a_file`."""
    name = getattr(function, "__name__", "this step")
    if source_file(function) is not None:
        return (
            f"'{name}' is written inside another function, where no other process can find it: move it to the top "
            "level of its file to have it cached, exported or run elsewhere."
        )
    return (
        f"'{name}' is not written in a file, so it runs here but is neither cached nor shipped: move it into a .py "
        "file and import it to have it cached, exported or run elsewhere."
    )
