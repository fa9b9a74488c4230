"""Generation: prompts made into messages, and asking the upstreams that speak OpenAI's API.

Owns rendering, the client, server-sent events, usage and what it costs. Does not own where prompts are registered
(`llm`), who may ask (`serving`) or what an answer may say (`guards`).
"""

from .alike import Alike, what_is_asked
from .answers import Choice, Said, read_said
from .breaker import Breaker
from .calling import LARGEST_ANSWER, MakeBody, Reply, Tell, Upstreams
from .connections import Address, Connections
from .errors import (
    InvalidPrompt,
    UpstreamBroken,
    UpstreamLate,
    UpstreamRefused,
    UpstreamSaidError,
    UpstreamUnavailable,
)
from .events import DONE, LARGEST_EVENT, Event, EventReader, write_event
from .records import (
    APPLICATION_FILE,
    CONTEXT,
    GUARDS_FILE,
    PROMPT_FILE,
    PROMPT_RUNTIME,
    ROLES,
    UPSTREAM_RUNTIME,
    Application,
    Judges,
    Message,
    Pinned,
    Price,
    PriceList,
    Prompt,
    Retrieval,
    Role,
    Sampling,
    Target,
    Upstream,
    Usage,
)
from .rendering import LONGEST_VALUE, check_prompt, defused, render, variables_of
from .usage import cost_micros, most_tokens
from .waiting import ABSURD_SECONDS, retry_after

__all__ = [
    "ABSURD_SECONDS",
    "APPLICATION_FILE",
    "CONTEXT",
    "DONE",
    "GUARDS_FILE",
    "LARGEST_ANSWER",
    "LARGEST_EVENT",
    "LONGEST_VALUE",
    "PROMPT_FILE",
    "PROMPT_RUNTIME",
    "ROLES",
    "UPSTREAM_RUNTIME",
    "Address",
    "Alike",
    "Application",
    "Breaker",
    "Choice",
    "Connections",
    "Event",
    "EventReader",
    "InvalidPrompt",
    "Judges",
    "MakeBody",
    "Message",
    "Pinned",
    "Price",
    "PriceList",
    "Prompt",
    "Reply",
    "Retrieval",
    "Role",
    "Said",
    "Sampling",
    "Target",
    "Tell",
    "Upstream",
    "UpstreamBroken",
    "UpstreamLate",
    "UpstreamRefused",
    "UpstreamSaidError",
    "UpstreamUnavailable",
    "Upstreams",
    "Usage",
    "check_prompt",
    "cost_micros",
    "defused",
    "most_tokens",
    "read_said",
    "render",
    "retry_after",
    "variables_of",
    "what_is_asked",
    "write_event",
]
