"""What can go wrong with intents."""

from modelyard.core import Unavailable


class IntentUndone(Unavailable):
    """A recorded change could not be applied and was taken back."""

    code = "INTENT_UNDONE"
