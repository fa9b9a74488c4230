"""Messages of a stream as rows, and answers as messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.core import Micros, Value, from_micros, uuid7
from modelyard.inference import Bundle, InvalidRow
from modelyard.streams import Delivery, Message

from .answers import MODEL_VERSION, PREDICTED_AT, PREDICTION, PREDICTION_ID, score_names

KEY, PASSED = "key", "input"
"""In an answer: the key of the message that it answers, and those of its fields that are nothing the model takes."""

_LONGEST_ID = 200


@dataclass(frozen=True)
class Asked:
    """A message that asks: its row in the signature's order, what it is called, and its other fields."""

    delivery: Delivery
    row: Sequence[Value]
    prediction_id: str
    passed: Mapping[str, Any]


class MessageReader:
    """Reads JSON objects with the model's fields by name; a field that is not there is missing.

    `stream` tells the stream from others, such as the text of its address: with a message's place in it, it is what the
    prediction id is made of, so that a message has the same one however often it is delivered. A message that has a
    `prediction_id` keeps it.
    """

    def __init__(self, bundle: Bundle, stream: str) -> None:
        self._names = bundle.info.signature.names
        self._known = frozenset((*self._names, PREDICTION_ID))
        self._decoder = msgspec.json.Decoder(dict[str, Any])
        self._stream = blake2b(stream.encode(), digest_size=16).digest()

    def read(self, delivery: Delivery) -> Asked:
        """A message's row. InvalidRow when it is no JSON object, or its id no text."""
        try:
            fields = self._decoder.decode(delivery.message.value)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # what is no UTF-8 is a ValueError
            raise InvalidRow(f"The message is no JSON object: {str(error)[:200]}.") from error
        given = fields.get(PREDICTION_ID)
        if given is not None and (not isinstance(given, str) or not 0 < len(given) <= _LONGEST_ID):
            raise InvalidRow(f"The message's {PREDICTION_ID} is no text of 1 to {_LONGEST_ID} characters.")
        passed = {} if fields.keys() <= self._known else {
            name: each for name, each in fields.items() if name not in self._known
        }  # fmt: skip
        return Asked(delivery, [fields.get(name) for name in self._names], given or self._id(delivery), passed)

    def _id(self, delivery: Delivery) -> str:
        place = f"{delivery.position}@{delivery.published_us}".encode()
        return uuid7(delivery.published_us, blake2b(place, key=self._stream, digest_size=10).digest())


class MessageWriter:
    """Writes answers: JSON objects whose key is the prediction id."""

    def __init__(self, bundle: Bundle, version: str) -> None:
        self._bundle = bundle
        self._version = version
        self._scores = score_names(bundle.info)
        self._encoder = msgspec.json.Encoder()

    def write(self, asked: Sequence[Asked], scores: NDArray[np.float64], at: Micros) -> list[Message]:
        """The answers to rows with these scores (n_rows, n_scores), in their order."""
        info, when = self._bundle.info, from_micros(at).isoformat().replace("+00:00", "Z")
        regression = info.task == "regression"
        found = []
        for each, row in zip(asked, scores.tolist(), strict=True):
            answer: dict[str, Any] = {
                PREDICTION_ID: each.prediction_id,
                PREDICTION: row[0] if regression else self._bundle.label_of(row),
                **dict(zip(self._scores, row, strict=not regression)),
                PREDICTED_AT: when,
                MODEL_VERSION: self._version,
            }
            if each.delivery.message.key:
                answer[KEY] = each.delivery.message.key.decode("utf-8", "replace")
            if each.passed:
                answer[PASSED] = each.passed
            found.append(Message(self._encoder.encode(answer), each.prediction_id.encode()))
        return found
