"""Plain values that rooms of the data plane share."""

from typing import Literal

Scalar = float | int | str | bool | None
"""A feature value, label or prediction as it travels: through JSON, MessagePack and the prediction log."""

ArmRole = Literal["live", "canary", "arm", "shadow"]
"""What an arm of a route is for: the one fully live, one on trial, one of a test, or one that only watches."""
