"""Prompts, upstreams, prices and usage as frozen values."""

from functools import cached_property
from typing import Any, Literal

import msgspec

from modelyard.core import Digest, canonical_json, digest_of

from .alike import Alike

Role = Literal["system", "developer", "user", "assistant", "tool"]
"""Who a message of a chat is by."""

ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")
"""Every role, in the order in which they are told."""

TOKENS_PRICED = 1_000_000
"""Prices are of so many tokens."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of a prompt: `content` is a template, or what was made of it."""

    role: Role
    content: str


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A prompt: the messages that come before a caller's, with `{{variable}}` where values go.

    `chat` False says that it was written as one text, which is one message by the user. `response_schema` is a JSON
    schema that answers are asked to follow.
    """

    messages: tuple[Message, ...]
    chat: bool = True
    response_schema: dict[str, Any] | None = None


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a million tokens cost, in millionths of the currency (micros). Without `cached` those cost as others do."""

    input: int
    output: int
    cached: int | None = None


class PriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Prices by the upstream's name for a model, in one currency (ISO 4217)."""

    models: dict[str, Price] = {}
    currency: str = "USD"

    @cached_property
    def digest(self) -> Digest:
        """Of its canonical JSON: what a cost on record was reckoned by."""
        return digest_of(canonical_json(msgspec.to_builtins(self)))


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer; `cached` are those of `input` that the upstream had read before.

    `told` False: the upstream did not say, and these are the most that they can be.
    """

    input: int
    output: int
    cached: int = 0
    told: bool = True


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that speaks OpenAI's API. `url` ends where `/chat/completions` begins, as `http://127.0.0.1:8000/v1`.

    `key_variable` names the environment variable of the server process that holds the key; no key is in a file of
    ours. An attempt is given up when not connected in `connect_seconds`, or silent for `silent_seconds`. `retries`
    attempts follow the first, while nothing has come. `longest_wait` bounds what `Retry-After` may ask for. After
    `failures` in a row it is left alone for `cooldown_seconds`.
    """

    url: str
    key_variable: str | None = None
    connect_seconds: float = 5.0
    silent_seconds: float = 60.0
    retries: int = 1
    longest_wait: float = 5.0
    failures: int = 5
    cooldown_seconds: float = 10.0
    prices: PriceList = PriceList()


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model of an upstream, by the names they are known by."""

    upstream: str
    model: str


class Pinned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version of something that an application is made of, and the digest of its bundle."""

    name: str
    version: int
    digest: Digest


class Sampling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an answer is drawn, unless the caller says otherwise; `max_tokens` is also the most that he may ask for."""

    max_tokens: int = 1024
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None


class Retrieval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an application's answers rest on: an index, and the embedder that it was built with.

    Of `k` chunks at most, found by `mode` (see `retrieval.MODES`), with at most `budget` tokens together, the prompt's
    variable `CONTEXT` is made. Where the question's cosine to the nearest of them is below `least`, no upstream is
    asked: the answer is `otherwise`.
    """

    index: Pinned
    embedder: Pinned
    k: int = 5
    mode: Literal["hybrid", "vectors", "words"] = "hybrid"
    budget: int | None = None
    least: float | None = None
    otherwise: str = "I do not know: I found nothing that says so."


class Judges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a guard of injections asks: an embedder, and a classifier of its vectors."""

    embedder: Pinned
    classifier: Pinned


class Application(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An application of a language model: what its bundle's `APPLICATION_FILE` holds.

    `targets` are asked in their order, the later ones when the earlier cannot answer. With `retrieval` answers rest on
    an index; `judges` are those of its guard of injections; with `alike` an answer that is kept is told to who asks the
    same in other words. `deadline_seconds` bounds an answer to its last token, `longest_input` the characters of a
    request's messages. A prompt stands in the bundle beside it, as `PROMPT_FILE`, and the guard set of digest `guards`
    as `GUARDS_FILE`.
    """

    targets: tuple[Target, ...]
    prompt: Pinned | None = None
    guards: Digest | None = None
    sampling: Sampling = Sampling()
    deadline_seconds: float = 120.0
    longest_input: int = 400_000
    retrieval: Retrieval | None = None
    alike: Alike | None = None
    judges: Judges | None = None

    @property
    def parts(self) -> tuple[Pinned, ...]:
        """The bundles that a server needs beside this one."""
        retrieval, judges = self.retrieval, self.judges
        rested_on = () if retrieval is None else (retrieval.index, retrieval.embedder)
        return rested_on if judges is None else (*rested_on, judges.embedder, judges.classifier)


CONTEXT = "context"
"""The variable of a prompt that is given what was retrieved."""


PROMPT_FILE, APPLICATION_FILE, GUARDS_FILE = "prompt.json", "application.json", "guards.json"
"""A prompt, an application and its guard set, in their bundles."""

PROMPT_RUNTIME, UPSTREAM_RUNTIME = "prompt", "upstream"
"""What the bundles of prompts and of applications say of how they run."""
