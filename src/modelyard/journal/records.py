"""What the data plane writes down: predictions, ground truth, outcomes, sketches."""

from typing import Literal

import msgspec

from modelyard.core import ArmRole, Micros, Scalar

ErrorClass = Literal["input", "features", "model", "timeout", "invalid_output"]
"""Why an arm gave no answer: the arm's signature refused the row, its features were not to be had, the model raised,
took too long, or answered something that is no prediction."""


EMBEDDED = "embedding"
"""The `prediction` of an answer that is vectors."""

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
    it out. `generated` is JSON of a `Generated`, empty for answers that no language model made; the `prediction` of
    those is why the text ended (`stop`, `length`, `tool_calls`; `left` when the caller did not wait for it).
    Of vectors it is EMBEDDED, and they are not written down; a shadow's have one score, the least cosine to those that
    were answered to the same texts, and none where the dimensions differ.
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
    generated: str = ""


class Guarded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What guards said of one side of an answer: `pass`, `fail` when anything was found, `inconclusive` when a guard
    failed or there was no text. `found` counts by `kind:action`; `failed` names guards that came to no verdict.
    """

    verdict: str = "inconclusive"
    found: dict[str, int] = {}
    failed: tuple[str, ...] = ()
    refused: bool = False


class Generated(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an upstream made, and of what: the JSON in `PredictionRecord.generated`.

    `prompt` is the digest of its bundle, `upstream` and `model` what answered. `cost_micros` is by the price list of
    digest `prices`; both are absent where the model has no price there. `told` False: the upstream did not say how many
    tokens there were, and these are the most there can have been. `first_us` is the time to the first text. `asked` and
    `said` are texts as the deployment lets them be kept, behind the guards. `guards` is the digest of the application's
    guard set, with what it said of what went up and of what came back. `cache` is `hit`, `alike` (it was made for a
    question that says the same), `miss`, or empty where answers are not kept; a hit has read and written nothing, and
    cost nothing.

    Of an application that retrieves: `index` is its digest, `chunks` are the ids of what was found, best first,
    `nearest` is the cosine of the question to the nearest of them, `question` its vector in a few fixed directions (see
    `retrieval.directions`), `asked_characters` its length. `sentences` of the answer say something, of which
    `unsupported` rest on none of the chunks, those that did not leave included. `abstained`: it says that there is no
    answer, and no more.
    """

    upstream: str = ""
    model: str = ""
    prompt: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    told: bool = True
    cost_micros: int | None = None
    prices: str = ""
    first_us: int | None = None
    streamed: bool = False
    asked: str = ""
    said: str = ""
    guards: str = ""
    guarded_input: Guarded | None = None
    guarded_output: Guarded | None = None
    cache: str = ""
    index: str = ""
    chunks: tuple[int, ...] = ()
    nearest: float | None = None
    question: tuple[float, ...] = ()
    asked_characters: int = 0
    sentences: int = 0
    unsupported: int = 0
    abstained: bool = False


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
