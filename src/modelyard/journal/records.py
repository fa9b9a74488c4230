"""What the data plane writes down: predictions, ground truth, outcomes, sketches."""

from typing import Literal

import msgspec

from modelyard.core import ArmRole, Micros, Scalar

ErrorClass = Literal["input", "features", "model", "timeout", "invalid_output"]
"""Why an arm gave no answer: the arm's signature refused the row, its features were not to be had, the model raised,
took too long, or answered something that is no prediction."""


REDACTED = "(redacted)"
"""What stands in a record for a feature whose values are never logged."""


class PredictionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One arm's answer, or its failure, to one row of a request.

    One request row gives one record for each arm that scored it, under the same `prediction_id`; exactly one of them
    is `answered` (the one whose answer the caller got). `features` follow the bundle's signature order, before
    encoding; they are empty when they were not to be had or not sampled, and REDACTED where the deployment says so.
    `scores` as in `inference.Predictions`, one row. `latency_us` is the arm's own time, features included. `request`
    has the fields that were sent and are no features (keys of views, what only expressions need), in the order of the
    bundle's plan: with them the features can be looked up again. It is empty and REDACTED as features are. `forced`
    says that the caller named the arm, not the route: such a row tells nothing of shares, and who compares arms leaves
    it out.
    """

    prediction_id: str
    event_us: Micros
    deployment: str
    generation: int
    model_version: str
    arm: str
    role: ArmRole
    answered: bool
    entity: str | None
    features: tuple[Scalar, ...]
    prediction: Scalar
    scores: tuple[float, ...]
    latency_us: int
    error: ErrorClass | None = None
    logged_us: Micros = Micros(0)
    request: tuple[Scalar, ...] = ()
    forced: bool = False


class TruthRecord(msgspec.Struct, frozen=True, array_like=True):
    """Ground truth for one prediction. Late, repeated, early and corrected ones are all normal.

    Of several for one prediction the greatest (available_us, received_us) wins; among equals the last written.
    """

    prediction_id: str
    deployment: str
    label: Scalar
    event_us: Micros
    available_us: Micros
    received_us: Micros


class OutcomeRecord(msgspec.Struct, frozen=True, array_like=True):
    """A business outcome of an entity, such as `converted`."""

    deployment: str
    entity: str
    metric: str
    value: float
    event_us: Micros
    received_us: Micros


class SketchRecord(msgspec.Struct, frozen=True, array_like=True):
    """A minute of one arm's mergeable histograms; `columns` maps name to (bin counts…, nulls, unknown)."""

    deployment: str
    arm: str
    model_version: str
    bundle: str
    server: str
    from_us: Micros
    to_us: Micros
    rows: int
    columns: dict[str, tuple[int, ...]]


Record = PredictionRecord | TruthRecord | OutcomeRecord | SketchRecord
"""Anything that is written down."""

Family = Literal["predictions", "truths", "outcomes", "sketches"]
"""Each record type has its own segments, in a folder of this name."""
