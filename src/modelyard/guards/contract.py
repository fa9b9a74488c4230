"""What a guard is: something that reads a text as it comes, and says which characters of it are of a kind.

Guarantees, checked by `modelyard.testing.GuardSuite`:

- *Splits do not matter.* However a text is cut into parts, the union of the claims of each kind is the same.
- *Nothing is taken back.* `clear` never shrinks, and a claim never begins before the `clear` of the moment before it
  was made. Who lets out only what is before `clear` and in no claim lets nothing out that will be claimed.
- *What is held back is bounded*: characters read but not clear are never more than `longest`, unless it is None: such a
  guard judges a text as a whole.
- *The same text gets the same claims*, in any process; a guard reads no clock and draws no random number.
- Claims lie within the text, are not empty, and hold no characters of it.

A guard may be shared by threads; a scan belongs to one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from modelyard.core import Digest

from .records import Claim


class Embeds(Protocol):
    """Makes vectors of texts: one row a text, in the order given, the same for the same text."""

    def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]: ...


class Suspects(Protocol):
    """How likely texts are attacks: an embedder and a classifier of its vectors, known by the digests of their bundles.

    One number in [0, 1] a text, in their order; the same number for the same call.
    """

    @property
    def digests(self) -> tuple[Digest, Digest]:
        """Of the embedder, and of the classifier."""

    def __call__(self, texts: Sequence[str], /) -> Sequence[float]: ...


@dataclass(frozen=True)
class Context:
    """What guards may know beside the text: the retrieved chunks that an answer is to rest on, an embedder, and what
    tells attacks."""

    chunks: tuple[str, ...] = ()
    embed: Embeds | None = None
    suspects: Suspects | None = None


class Scan(Protocol):
    """One text, as it comes."""

    @property
    def clear(self) -> int:
        """Characters from the beginning on about which everything is said."""

    def feed(self, text: str) -> list[Claim]:
        """Read the next characters; what is known now and was not before."""

    def end(self, text: str = "") -> list[Claim]:
        """Read the last characters, behind which is nothing: say the rest. After it `clear` is the text's length."""


class Guard(Protocol):
    """Finds characters of some kinds in texts."""

    @property
    def name(self) -> str: ...

    @property
    def longest(self) -> int | None:
        """The most characters that a scan holds back; None when it holds back the whole text."""

    def open(self, context: Context) -> Scan:
        """Begin a text."""
