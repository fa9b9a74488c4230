"""What can be wrong with an index that is searched."""

from modelyard.core import Conflict, Damaged


class IndexDamaged(Damaged):
    """An index is not what was built."""

    code = "INDEX_DAMAGED"


class OtherEmbedder(Conflict):
    """The index was made with another embedder: its vectors and these cannot be compared."""

    code = "OTHER_EMBEDDER"
