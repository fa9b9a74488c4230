"""The options of a step, checked where they are written; everything that is wrong is said at once."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from math import isfinite
from typing import Any, get_args

from modelyard.core import InvalidInput, did_you_mean
from modelyard.core.durations import parse_duration

from .errors import InvalidPipeline
from .graph import Kind, Options

KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of steps, in the order in which a pipeline has them."""

RESOURCES = ("cpus", "gpus", "memory")
_SPELLINGS = {"cpu": "cpus", "gpu": "gpus"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LARGEST_SEED = 2**32 - 1  # the largest that numpy's legacy generator takes


def checked_options(step: str, kind: str, given: Mapping[str, Any]) -> Options:
    """The options of a step as given in code: durations as texts, `gpu` for `gpus`. InvalidPipeline lists faults."""
    faults = [*_kind_fault(kind)]
    values: dict[str, Any] = {}
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            faults.append(f"'{name}' is no option. {did_you_mean(name, ['kind', 'name', *_CHECKS])}")
            continue
        try:
            values[name] = check(value)
        except InvalidInput as error:
            faults.append(f"{name}: {error}")
    if faults:
        raise InvalidPipeline(f"The options of step '{step}' cannot be used. {' '.join(faults)}")
    return Options(**values)


def _kind_fault(kind: str) -> Iterator[str]:
    if kind not in KINDS:
        yield f"'{kind}' is no kind of step. {did_you_mean(str(kind), KINDS)}"


def _wrong(value: object, expected: str) -> InvalidInput:
    return InvalidInput(f"{value!r:.60} is not {expected}.")


def _cache(value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise _wrong(value, "True, False or None")


def _retries(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _wrong(value, "a whole number from 0: how often a step is tried again")


def _seed(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_SEED:
        return value
    raise _wrong(value, f"a whole number from 0 to {_LARGEST_SEED}")


def _duration(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    raise _wrong(value, "a duration longer than nothing, such as '90s' or timedelta(minutes=2)")


def _timeout(value: object) -> timedelta | None:
    return None if value is None else _duration(value)


def checked_resources(value: object) -> dict[str, float]:
    """Amounts by resource, `cpu` for `cpus` and `gpu` for `gpus`; InvalidInput says what is wrong."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(value, "a mapping such as {'cpus': 2}")
    spelled = {_SPELLINGS.get(str(name), str(name)): amount for name, amount in value.items()}
    if len(spelled) < len(value):
        raise _wrong(value, "a mapping that says each resource once")
    for name, amount in spelled.items():
        if name not in RESOURCES:
            raise InvalidInput(f"'{name}' is no resource.", remedy=did_you_mean(name, RESOURCES))
        if isinstance(amount, bool) or not isinstance(amount, int | float) or not isfinite(amount) or amount <= 0:
            raise _wrong(amount, f"an amount of {name}: a number above 0")
    return spelled


def _names(pattern: re.Pattern[str], what: str) -> Callable[[Any], tuple[str, ...]]:
    def check(value: object) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise _wrong(value, f"a tuple of {what}; for one write ({value!r:.40},)")
        names = tuple(value)
        for name in names:
            if not isinstance(name, str) or not pattern.fullmatch(name):
                raise _wrong(name, f"one of {what}")
        return names

    return check


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "cache": _cache,
    "retries": _retries,
    "backoff": _duration,
    "timeout": _timeout,
    "resources": checked_resources,
    "seed": _seed,
    "secrets": _names(_VARIABLE, "names of environment variables (never the secret itself)"),
    "reads": _names(re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"), "names of datasets"),
    "environment": _names(_DISTRIBUTION, "names of installed distributions"),
}
if set(_CHECKS) != {each.name for each in fields(Options)}:
    raise TypeError("every option needs its check")
