"""Plain values that rooms of the data plane share."""

from typing import Literal, Protocol

Scalar = float | int | str | bool | None
"""A feature value, label or prediction as it travels: through JSON, MessagePack and the prediction log."""

ArmRole = Literal["live", "canary", "arm", "shadow"]
"""What an arm of a route is for: the one fully live, one on trial, one of a test, or one that only watches."""


class Array(Protocol):
    """A row's tensor, as numpy has it; rooms that only hand it on need not know numpy."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def tobytes(self) -> bytes:
        """The elements, row-major."""


Value = Scalar | Array
"""What a field of a row holds: one value, or a tensor."""
