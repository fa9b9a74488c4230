"""What an upstream says: a whole answer, or the pieces of one."""

from typing import Annotated, Any

import msgspec

from .errors import UpstreamBroken, UpstreamSaidError
from .records import Usage


class Choice(msgspec.Struct):
    """One of the answers, or a piece of one: `message` of a whole, `delta` of a piece, as they came."""

    index: int = 0
    message: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    finish_reason: str | None = None
    logprobs: Any = None


MOST_TOKENS = 10**9
"""What no answer comes to: a count beyond it is a slip of the upstream's, and nobody's bill."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _Details | None = None


class Said(msgspec.Struct):
    """A body, or the data of one event. `usage` is what the whole answer came to so far, `model` what the upstream says
    that it was made by, both of whatever type that is: a text is not lost for what is said beside it."""

    choices: list[Choice] = []
    usage: Any = None
    error: Any = None
    model: Any = None

    @property
    def tokens(self) -> Usage | None:
        """What it came to; None where it was not told whole, or is told in numbers that cannot be."""
        if self.usage is None:
            return None
        try:
            told = msgspec.convert(self.usage, _Usage, strict=False)  # numbers as text, and 3.0, are meant as such
        except msgspec.ValidationError:
            return None
        details = told.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details is not None else 0
        if cached > told.prompt_tokens:
            return None
        return Usage(told.prompt_tokens, told.completion_tokens, cached)


_DECODER = msgspec.json.Decoder(Said)


def read_said(data: bytes) -> Said:
    """A body, or an event's data; UpstreamBroken for half a JSON or another shape, UpstreamSaidError for an error."""
    try:
        said = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise UpstreamBroken(
            f"The upstream's answer is of another shape than OpenAI's: {error}.", context={"why": "shape"}
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamBroken(f"The upstream's answer is no whole JSON: {error}.", context={"why": "json"}) from error
    if said.error:
        raise UpstreamSaidError(f"The upstream ended its answer with an error: {words_of(said.error).rstrip('.')}.")
    return said


def words_of(error: Any) -> str:
    """What an error of OpenAI's shape, or of any other, says."""
    found = error.get("message", error) if isinstance(error, dict) else error
    return "nothing more" if found is None else str(found)[:500]
