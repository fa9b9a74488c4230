"""Operations."""

from .templates import write_template

__all__ = ["write_template"]
