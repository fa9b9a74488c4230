"""Routes, arms, and what servers say of themselves."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from modelyard.core import ArmRole, Digest, Micros


def fingerprint(bundle: Digest) -> str:
    """What an answer in OpenAI's shapes tells of the bundle that gave it."""
    return f"fp_{bundle[:10]}"


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One version behind a deployment.

    `weight` is a share of traffic in [0, 1]; the weights of live, canary and test arms sum to 1, and the live arm
    takes what the others leave. A shadow's weight is the share of requests copied to it, apart from that sum.
    """

    name: str
    role: ArmRole
    version: str
    bundle: Digest
    weight: float


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for a deployment, from a generation on. Routes are values: a change is a new generation.

    `assign` says whether an entity stays on its arm, or every request is assigned for itself. `rolled` names the
    servers that have taken the canary, where servers do so one after the other: see `at`. Neither is written when it is
    unset, so that servers that know nothing of it read routes that ask nothing new.
    """

    deployment: str
    model: str
    generation: int
    arms: tuple[Arm, ...]
    salt: str
    assign_by: str | None = None
    clock: Literal["system", "request"] = "system"
    latency_objective_ms: float = 200.0
    reason: str = ""
    assign: Literal["sticky", "request"] | UnsetType = UNSET
    rolled: tuple[str, ...] | UnsetType = UNSET

    @property
    def sticky(self) -> bool:
        """Whether an entity stays on its arm."""
        return self.assign != "request"

    @property
    def live(self) -> Arm:
        """The arm that answers unless another is assigned, and whenever another fails."""
        return next(arm for arm in self.arms if arm.role == "live")

    def at(self, server: str) -> "Route":
        """The route as one server serves it: the same, unless servers take the canary one after the other.

        Then one that has taken it gives it everything, with live ready to answer what it fails, and the others do not
        load it. The weights of the route say no more than how far it is.
        """
        if self.rolled is UNSET:
            return self
        taken = server in self.rolled
        share = {"live": 0.0 if taken else 1.0, "canary": 1.0}
        arms = [
            msgspec.structs.replace(arm, weight=share.get(arm.role, arm.weight))
            for arm in self.arms
            if taken or arm.role != "canary"
        ]
        return msgspec.structs.replace(self, arms=tuple(arms))


class ServingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How servers treat the requests of a deployment; the defaults are those of one that declares nothing.

    `body_limit` (bytes) and `rows_limit` bound one request. `cache_answers` is how many rows' scores are kept for rows
    that come again, for `cache_seconds` at most; 0 keeps none. `log_features` is the share of predictions, in [0, 1],
    whose features are put on record, and `redact` names fields that never are; the predictions themselves always are.
    Fields under `hash` and `truncate` are changed before they are put on record; those that are features of the model
    are not put there at all: what was changed would be taken for drift. `when_log_fails` says whether predictions that
    cannot be put on record are refused (`fail_closed`) or answered nevertheless (`degrade`). `log_text` says whether
    what language models are asked and say is put on record, without personal data and secrets, or as a keyed hash.
    `budget_micros` is the most that their
    answers may cost in a `budget_period` (None: no bound). `swap` says whether a new
    version is loaded beside the old one, or, where memory holds no two, after the old one has drained. `overrides` lets
    a caller name the arm that is to answer. `shadow_per_second` is the most rows a second that one server copies to one
    shadow (None: no bound), `shadow_queue` how many copies may wait for one. What is as by default is not written, as
    in `Feed`.
    """

    body_limit: int = 1 << 20
    rows_limit: int = 1000
    cache_answers: int = 0
    cache_seconds: float = 60.0
    log_features: float = 1.0
    redact: tuple[str, ...] = ()
    hash: tuple[str, ...] = ()
    truncate: tuple[str, ...] = ()
    when_log_fails: Literal["fail_closed", "degrade"] = "fail_closed"
    log_text: Literal["full", "redacted", "hash", "off"] = "off"
    budget_micros: int | None = None
    budget_period: Literal["day", "month", "ever"] = "month"
    swap: Literal["side-by-side", "drain"] = "side-by-side"
    overrides: bool = False
    shadow_per_second: float | None = None
    shadow_queue: int = 10_000

    @property
    def private(self) -> frozenset[str]:
        """The fields that are not put on record as they are."""
        return frozenset((*self.redact, *self.hash, *self.truncate))


class KeyEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An API key as servers know it: no secret, only the HMAC-SHA-256 of it (hexadecimal).

    `groups` are the holder's: what is retrieved for it is what these may read.
    """

    key_id: str
    digest: str
    role: str
    deployments: tuple[str, ...] = ()
    expires_us: Micros | None = None
    groups: tuple[str, ...] = ()


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that servers need from the control plane, in one file that is replaced in one step.

    `python_bundles` are the bundles whose pickles or code servers may run, `python_keys` the keys whose signature
    permits the same. With `require_signed` servers load only bundles that one of `trusted_keys` has signed. Keys are
    public ones, 32 bytes in base64. What is as by default is not written, so that older servers read a feed that asks
    nothing new of them. `upstreams` of language models are what the room `generation` says (`Upstream`). `withdrawn`
    are sources by the names of indexes: nothing is retrieved from them, whichever version holds them.
    """

    revision: int
    routes: tuple[Route, ...]
    keys: tuple[KeyEntry, ...] = ()
    authentication: bool = False
    policies: dict[str, ServingPolicy] = {}
    python_bundles: tuple[Digest, ...] = ()
    require_signed: bool = False
    trusted_keys: tuple[str, ...] = ()
    python_keys: tuple[str, ...] = ()
    upstreams: dict[str, dict[str, Any]] = {}
    withdrawn: dict[str, tuple[str, ...]] = {}

    def policy(self, deployment: str) -> ServingPolicy:
        """How servers treat the requests of a deployment."""
        return self.policies.get(deployment, DEFAULT_POLICY)


DEFAULT_POLICY = ServingPolicy()
"""How servers treat the requests of a deployment that declares nothing."""


class ArmStatus(msgspec.Struct, frozen=True):
    """Whether a server has an arm loaded, or why not; and the weight that is in force there.

    One that is loaded may have a `why_not` too: why it would not be loaded now, or how its last trial ended.
    """

    deployment: str
    arm: str
    version: str
    bundle: Digest
    loaded: bool
    why_not: str = ""
    weight: float | None = None


class ServerStatus(msgspec.Struct, frozen=True):
    """What a server writes beside the feed: at each change of route and once a second as heartbeat.

    `cpu_seconds` of processor since it started, `memory_bytes` resident, `queue_rows` that wait for a model.
    """

    server: str
    pid: int
    address: str
    started_us: Micros
    heartbeat_us: Micros
    feed_revision: int
    generations: dict[str, int]
    arms: tuple[ArmStatus, ...]
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    queue_rows: int = 0
