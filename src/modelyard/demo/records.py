"""What the demonstration reports: months, events, and the summary written to `summary.json`."""

import msgspec


class Month(msgspec.Struct, frozen=True):
    """One month of predictions whose truth is known.

    `auc_loop` is of the answers callers got, `auc_static` of the never-retrained model that rode along as a shadow;
    both from logged predictions. None when one class is missing.
    """

    n: int
    base_rate: float
    auc_static: float | None
    auc_loop: float | None
    versions: tuple[str, ...]
    drifted_features: tuple[str, ...]
    drift_verdict: str
    alerts: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened in event time (`at`: ISO 8601, UTC)."""

    at: str
    kind: str
    detail: str


class Summary(msgspec.Struct, frozen=True):
    """The whole run. Durations are wall time.

    Training-serving skew is of every answer of the year: `skew_compared` had logged features, `skew_differing` of them
    were served at least one value that the point-in-time join does not give. `cycles` began by themselves; the
    candidate that the demonstration sends on purpose is not one of them.
    """

    seed: int
    share: float
    months: dict[str, Month]
    events: tuple[Event, ...]
    requests_sent: int
    requests_failed: int
    predictions_logged: int
    labels_posted: int
    labels_joined: int
    cycles: int
    retrained: int
    promoted: int
    rolled_back: int
    skew_compared: int
    skew_differing: int
    skew_verdict: str
    serve_p50_ms: float
    serve_p99_ms: float
    wall_s: float


class Lived(msgspec.Struct, frozen=True):
    """The year under one way of retraining: how often a model was trained, and the AUC of what callers got.

    `auc` is the mean of the months that all ways have one for, May to December: in April nothing is retrained yet.
    """

    cycles: int
    promoted: int
    auc: float
    months: dict[str, float | None]


class Compared(msgspec.Struct, frozen=True):
    """The same year lived three ways: `never` retrained, fixed `monthly`, and by the `loop`."""

    seed: int
    share: float
    never: Lived
    monthly: Lived
    loop: Lived
