"""Functions of features, as a project has them in a file of their own."""

import math
import os
import time
from typing import Any

COUNTED = 3


def shares(row: dict[str, Any]) -> dict[str, Any]:
    """Numbers, whole numbers, texts, flags and times of a row."""
    x, n, pages = row["x"], row["n"], row["pages"]
    return {
        "ratio": None if x is None or not pages else x / pages,
        "wave": None if x is None else math.sin(x) * COUNTED,
        "more": None if n is None else n + 1,
        "word": None if row["s"] is None else f"{row['s']}-{n}-{type(n).__name__}-{type(x).__name__}",
        "odd": row["flag"] if n is None else n % 2 == 1,
        "later": row["seen"] if row["sent"] is None else row["sent"],
    }


def by_column(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The same idea of lists."""
    pairs = zip(columns["x"], columns["n"], strict=True)
    return {
        "sum": [math.nan if x is None or n is None else x + float(n) for x, n in pairs],
        "word": [None if each is None else each.upper() for each in columns["s"]],
    }


def by_frame(frame: Any) -> Any:
    """The same idea of a DataFrame, which is never loaded here but where this runs."""
    made = frame[["x"]].rename(columns={"x": "sum"}) * 2
    made["word"] = frame["s"].str.lower()
    return made


def moody(row: dict[str, Any]) -> dict[str, Any]:
    """What `pages` asks for."""
    pages = row["pages"]
    if pages == 1:
        raise ValueError("no such mood")
    if pages == 2:
        os.kill(os.getpid(), 9)
    if pages == 3:
        time.sleep(60)
    if pages == 8:
        raise SystemExit(3)
    given: dict[float, Any] = {
        4.0: {}, 5.0: {"value": "many"}, 6.0: {"value": math.inf}, 7.0: {"value": 1.0, "vlaue": 2.0}, 9.0: None,
        10.0: {"value": True},
    }  # fmt: skip
    made: dict[str, Any] = given.get(pages, {"value": pages})
    return made


def outer() -> Any:
    """A function made inside another."""

    def inner(row: dict[str, Any]) -> dict[str, Any]:
        return row

    return inner
