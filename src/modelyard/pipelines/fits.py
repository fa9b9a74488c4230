"""Whether a value, or what a step says it returns, can be what another step says it takes. Only the sure is said."""

import collections.abc
import types
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterable
from typing import Any, get_args, get_origin

Type = Any
"""An annotation; None stands for what is not known and fits everything."""

_LIKE: dict[type, type] = {tuple: list}
"""Types that become each other between steps: elements that were written as a tuple may come as a list."""
_WIDER: dict[type, tuple[type, ...]] = {bool: (int, float, complex), int: (float, complex), float: (complex,)}
_KNOWN = {each for each in vars(collections.abc).values() if isinstance(each, ABCMeta)}
_BUILTIN = {each.__name__: each for each in (int, float, str, bool, bytes, list, tuple, dict, set)}


def hints_of(function: Callable[..., Any]) -> dict[str, Type]:
    """The annotations of a function by parameter, and under `return`; those that cannot be found out are left out."""
    try:
        return typing.get_type_hints(function)
    except Exception:
        return {}


def never_fits(gives: Type, wants: Type) -> bool:
    """Whether no value of the one type is a value of the other; False where that is not sure."""
    given, wanted = _classes(gives), _classes(wants)
    if given is None or wanted is None:
        return False
    return not any(_related(one, other) for one in given for other in wanted)


def type_of(value: object) -> Type:
    """The type of a literal."""
    return types.NoneType if value is None else type(value)


def element_of(gives: Type, path: Iterable[str | int]) -> Type:
    """The type of an element, by the places and names that lead to it; None when it is not known."""
    for key in path:
        origin: Any = get_origin(gives)
        arguments = get_args(gives)
        if origin is tuple and isinstance(key, int) and arguments[-1:] != (Ellipsis,) and key < len(arguments):
            gives = arguments[key]
        elif arguments and origin in (list, tuple, collections.abc.Sequence) and isinstance(key, int):
            gives = arguments[0]
        elif len(arguments) == 2 and isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
            gives = arguments[1]
        else:
            return None
    return gives


def named(kind: Type) -> str:
    """A type as people write it."""
    if kind is None:
        return ""
    if kind is types.NoneType:
        return "None"
    if isinstance(kind, type) and not get_args(kind):
        return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return str(kind).replace("typing.", "")


def builtin_named(text: str) -> Type:
    """The built-in type that a written one begins with: `dict` for `dict[str, float]`; None for any other."""
    return _BUILTIN.get(text.partition("[")[0]) if "|" not in text else None


def _related(one: type, other: type) -> bool:
    one, other = _LIKE.get(one, one), _LIKE.get(other, other)
    return issubclass(one, other) or issubclass(other, one) or other in _WIDER.get(one, ())


def _classes(kind: Type) -> tuple[type, ...] | None:
    """The classes that a type is one of; None when it may be anything."""
    if kind in (None, Any, object):
        return None
    origin: Any = get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _together(get_args(kind))
    if origin is typing.Literal:
        return tuple(type(each) for each in get_args(kind))
    if origin is typing.Annotated:
        return _classes(get_args(kind)[0])
    if isinstance(kind, typing.NewType):
        return _classes(kind.__supertype__)
    found = origin or kind
    return (found,) if isinstance(found, type) and _plain(found) else None


def _together(members: Iterable[Type]) -> tuple[type, ...] | None:
    found = [_classes(each) for each in members]
    if any(each is None for each in found):
        return None
    return tuple(one for each in found if each is not None for one in each)


def _plain(kind: type) -> bool:
    """Whether `issubclass` knows all about it: neither a protocol nor an abstract class of somebody else's."""
    return kind in _KNOWN or (not getattr(kind, "_is_protocol", False) and type(kind) is not ABCMeta)
