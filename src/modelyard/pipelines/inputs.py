"""What a step may be given while a pipeline is composed: outputs, parameters, and values that can be written down."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from .errors import InvalidPipeline
from .fits import Type, named, never_fits, type_of
from .graph import Condition, Each, Output, Parameter

PLAIN = (str, int, float, bool, type(None), date, timedelta)
"""Values that a cache key and an exported file can hold; `date` has `datetime` as one of its kind."""


def check_input(step: str, name: str, value: Any, wants: Type, check_output: Callable[[Output], None]) -> None:
    """InvalidPipeline when a step cannot be given this value: an output from elsewhere, an object, a wrong type."""
    inner = value.values if isinstance(value, Each) else value
    _check(f"What step '{step}' is given as '{name}'", inner, check_output)
    if isinstance(value, (*PLAIN, list, tuple, Mapping)) and never_fits(type_of(value), wants):
        raise InvalidPipeline(
            f"Step '{step}' takes {named(wants)} as '{name}', and is given {value!r:.60}.",
            remedy="Correct the value, or the annotation.",
        )


def _check(place: str, value: Any, check_output: Callable[[Output], None]) -> None:
    if isinstance(value, Output):
        check_output(value)
    elif isinstance(value, list | tuple):
        for each in value:
            _check(place, each, check_output)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _check_key(place, key)
            _check(place, each, check_output)
    elif not isinstance(value, PLAIN) and not isinstance(value, Parameter):
        raise _unwritable(place, value)


def _check_key(place: str, key: Any) -> None:
    if not isinstance(key, PLAIN):
        raise InvalidPipeline(
            f"{place} has a key of type {type(key).__name__}.",
            remedy="Keys are texts or numbers; outputs of steps can only be values.",
        )


def _unwritable(place: str, value: Any) -> InvalidPipeline:
    if isinstance(value, Each):
        return InvalidPipeline(
            f"{place} has an `each` inside.", remedy="Give my.each(…) alone, and once: step(my.each([…]))."
        )
    if isinstance(value, Condition):
        return InvalidPipeline(
            f"{place} is a comparison.",
            remedy="Write `with my.when(…):`, or compare inside the step.",
        )
    return InvalidPipeline(
        f"{place} is a {type(value).__name__}, which can neither be cached nor written down.",
        remedy="Give texts, numbers, dates, and lists or mappings of these; make anything else in a step.",
    )
