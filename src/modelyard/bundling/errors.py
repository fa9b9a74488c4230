"""What can stop a bundle from being built."""

from modelyard.core import Failed


class NoFaithfulRuntime(Failed):
    """No fast runtime answers as the original model does."""

    code = "NO_FAITHFUL_RUNTIME"
