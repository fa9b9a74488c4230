"""Guards: what may be in texts that go to a model and come from it, whole or as they come.

Owns what a guard is, the guards for personal data, secrets, injection, response schemas and support, their sets as
data, and streams through them. Does not own retrieving what an answer rests on (`llm`), embedders and classifiers
(`inference`) or asking guards on a request's way (`serving`).
"""

from .contract import Context, Embeds, Guard, Scan, Suspects
from .errors import InvalidGuardSet, OtherClassifier
from .grammar import Chars, Grammar, maybe, one_of, seq, text, times
from .injection import InjectionGuard, stretches
from .patterns import Pattern, PatternGuard
from .personal import personal_data
from .records import Action, Claim, Finding, Outcome, placeholder
from .schema import SchemaGuard
from .secrets import secrets
from .sentences import Sentences
from .settings import GuardSet, InjectionSettings, Side, default_set, read_set
from .stream import Armed, GuardedBytes, GuardedStream, check
from .support import Evidence, Rest, Support, SupportGuard, abstains

__all__ = [
    "Action",
    "Armed",
    "Chars",
    "Claim",
    "Context",
    "Embeds",
    "Evidence",
    "Finding",
    "Grammar",
    "Guard",
    "GuardSet",
    "GuardedBytes",
    "GuardedStream",
    "InjectionGuard",
    "InjectionSettings",
    "InvalidGuardSet",
    "OtherClassifier",
    "Outcome",
    "Pattern",
    "PatternGuard",
    "Rest",
    "Scan",
    "SchemaGuard",
    "Sentences",
    "Side",
    "Support",
    "SupportGuard",
    "Suspects",
    "abstains",
    "check",
    "default_set",
    "maybe",
    "one_of",
    "personal_data",
    "placeholder",
    "read_set",
    "secrets",
    "seq",
    "stretches",
    "text",
    "times",
]
