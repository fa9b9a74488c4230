"""What a language model's answers have against a candidate: events that only guardrails hear of, by name."""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.journal import Generated

GeneratedGuardrail = Literal["unsupported_rate", "abstention_rate", "llm_cost", "thumbs"]
GENERATED: tuple[GeneratedGuardrail, ...] = ("unsupported_rate", "abstention_rate", "llm_cost")
"""Those that the record of an answer tells of by itself; of `thumbs` labels do."""

THUMBS: Literal["thumbs"] = "thumbs"
DOWN = "down"
"""The label of an answer that a person did not like."""

COLUMN = "generated"
_decode = msgspec.json.Decoder(Generated).decode

_BAD: Mapping[str, Callable[[Generated, int], bool]] = {
    "unsupported_rate": lambda made, _: made.unsupported > 0,
    "abstention_rate": lambda made, _: made.abstained,
    "llm_cost": lambda made, most: (made.cost_micros or 0) > most,
}
"""By guardrail, whether an answer is one of its bad events; the number is what an answer may cost, in micros."""


def bad_answers(fresh: pa.Table, guardrail: str, arm: str, cost_micros: int | None) -> pa.Table:
    """The records of both arms that are bad events of a guardrail: an answer with a sentence that rests on nothing, one
    that abstains, one that costs more than is declared. What the live arm answered in the candidate's place is left
    out, as far as both records came together.
    """
    is_bad, most = _BAD[guardrail], cost_micros or 0
    made = fresh.filter(pc.and_(pc.is_null(fresh.column("error")), pc.not_equal(fresh.column(COLUMN), "")))
    failed = fresh.filter(pc.and_(pc.equal(fresh.column("arm"), arm), pc.is_valid(fresh.column("error"))))
    second = pc.is_in(made.column("prediction_id"), value_set=failed.column("prediction_id").combine_chunks())
    made = made.filter(pc.invert(second))
    return made.filter(pa.array([is_bad(_decode(each), most) for each in made.column(COLUMN).to_pylist()], pa.bool_()))
