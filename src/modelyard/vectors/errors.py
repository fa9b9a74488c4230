"""What can be wrong with vectors."""

from modelyard.core import Damaged, InvalidInput, Unavailable


class InvalidVector(InvalidInput):
    """A vector has another dimension, no length, or elements that are not finite numbers."""

    code = "INVALID_VECTOR"


class DuplicateId(InvalidInput):
    """An id is there already, or comes twice."""

    code = "DUPLICATE_ID"


class VectorsDamaged(Damaged):
    """The files are not those that were saved."""

    code = "VECTORS_DAMAGED"


class NoVectorLibrary(Unavailable):
    """The library that searches many vectors is not installed."""

    code = "NO_VECTOR_LIBRARY"
