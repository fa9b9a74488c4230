"""Values that are not there while a pipeline is composed, and what they answer to code that treats them as if."""

from collections.abc import Iterator
from typing import NoReturn

from .errors import InvalidPipeline


class Later:
    """A value that comes with the run. Python cannot ask it anything before; each misuse says what to write instead."""

    def _called(self) -> str:
        """The value in a sentence: `The output of 'load'`."""
        raise NotImplementedError

    def _refused(self, deed: str, remedy: str) -> InvalidPipeline:
        return InvalidPipeline(f"{self._called()} is not there yet, so it cannot be {deed}.", remedy=remedy)

    def __bool__(self) -> bool:
        raise self._refused(
            "asked whether it is true", "For `if` write `with my.when(output):`, or decide inside a step."
        )

    def __len__(self) -> int:
        raise self._refused("counted", "Let a step count it, or run a step over its elements: my.each(output).")

    def __iter__(self) -> Iterator["Later"]:
        raise self._refused(
            "unpacked", "Take elements of an output by place: parts[0], parts[1]; or run a step over them: my.each(…)."
        )

    def __contains__(self, item: object) -> bool:
        raise self._refused("searched", "Let a step look inside.")

    def __format__(self, specification: str) -> str:
        raise self._refused("written into a text", "Give it to a step, and write the text there.")

    def __int__(self) -> int:
        raise self._refused("made a number", "Give it to a step, and count there.")

    def __float__(self) -> float:
        raise self._refused("made a number", "Give it to a step, and count there.")

    def __index__(self) -> int:
        raise self._refused("counted up to", "Let a step give a list, and run a step over it: my.each(output).")

    def __neg__(self) -> NoReturn:
        self._calculate(None)

    def _calculate(self, other: object) -> NoReturn:  # noqa: ARG002 - the other side of an operator
        raise self._refused("calculated with", "Write a step that takes it and returns the result.")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _calculate
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _calculate
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = _calculate
