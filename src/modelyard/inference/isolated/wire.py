"""What goes between a worker process and the one that asks it: a header, then numbers. Little-endian, no pickles.

Asked: `REQUEST` (rows, columns), then the matrix as float64 in C order. Answered: `ANSWER` (kind, rows, columns), then
for `SCORES` a matrix, for `READY` nothing, and for a fault `rows` bytes of UTF-8 that say what happened.
"""

import struct

REQUEST = struct.Struct("<II")
ANSWER = struct.Struct("<BII")

READY, SCORES, RAISED, NO_MEMORY = range(4)
"""Kinds of answer. After `RAISED` to a request the worker goes on; after `NO_MEMORY` it has ended."""

LONGEST_TEXT = 2000
MOST_SCORES = 10_000
"""More columns than this are no scores, but a worker that has lost its way."""
