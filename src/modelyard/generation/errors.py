"""What can be wrong with a prompt, or with an upstream."""

from modelyard.core import Failed, InvalidInput, Unavailable


class InvalidPrompt(InvalidInput):
    """A prompt cannot be used as it is written, or with the values given; `context["path"]` says where."""

    code = "INVALID_PROMPT"


class UpstreamRefused(InvalidInput):
    """The upstream says that the request is wrong; `context` has its `param` and `code` if it gave them."""

    code = "UPSTREAM_REFUSED"


class UpstreamUnavailable(Unavailable):
    """The upstream cannot be reached, is too busy, or was left alone after failing again and again.

    `context["retry_after_s"]` is how long it asks to be left alone, where it said so.
    """

    code = "UPSTREAM_UNAVAILABLE"


class UpstreamBroken(Failed):
    """The upstream answered what is no answer: cut, half a JSON, of another shape, too large, that it is not for us, or
    that it is to be left alone for as long as nobody can mean.

    `context["why"]` is `cut`, `json`, `shape`, `size`, `status`, `event`, `protocol` or `retry_after`.
    """

    code = "UPSTREAM_BROKEN"


class UpstreamLate(Unavailable):
    """The deadline passed before the upstream had answered to the end."""

    code = "UPSTREAM_LATE"


class UpstreamSaidError(Failed):
    """An error event in the middle of a stream."""

    code = "UPSTREAM_SAID_ERROR"
