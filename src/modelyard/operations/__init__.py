"""Operations: every command once, with its typed input, its policy and the function that does it.

Owns what a command means. Does not own spelling or printing (`cli`), or the parts it asks (the rooms below).
"""

from .catalogue import catalogue
from .contract import Call, Nothing, Operation, Option, carry_out, operation, options_of
from .templates import write_template

__all__ = [
    "Call",
    "Nothing",
    "Operation",
    "Option",
    "carry_out",
    "catalogue",
    "operation",
    "options_of",
    "write_template",
]
