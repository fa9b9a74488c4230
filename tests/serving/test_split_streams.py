"""A stream of an upstream, cut at any byte: what leaves the gateway is the same, byte for byte."""

import asyncio
import json
from random import Random

import pytest

from modelyard.generation import Usage
from modelyard.guards import GuardSet

from .test_guarded_streams import application, streamed

WORDS = ("Grüße", " an ", "世界", " and 🌍", " today\r\n")
TEXT = "".join(WORDS)
GUARDS = GuardSet.model_validate({"guards": [{"guard": "personal_data"}]})


def said(*choices: object, **more: object) -> str:
    """One event, its text as it is and not escaped."""
    return f"data: {json.dumps({'choices': choices, **more}, ensure_ascii=False)}"


USAGE = said(usage={"prompt_tokens": 10, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 2}})
EVENTS = [
    said({"index": 0, "delta": {"role": "assistant", "content": ""}}),
    *(said({"index": 0, "delta": {"content": each}}) for each in WORDS),
    said({"index": 0, "delta": {}, "finish_reason": "stop"}),
    USAGE,
    "data: [DONE]",
]


@pytest.mark.parametrize("guards", [None, GUARDS])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_stream_split_at_any_byte_gives_equal_text_and_usage(guards: GuardSet | None, end: str) -> None:
    """In two at every place, in pieces of any size, and byte by byte; with guards and without."""
    stream, random = "".join(f"{each}{end}{end}" for each in EVENTS).encode(), Random(5)
    loaded = application(guards)

    async def run() -> None:
        whole, _ = await streamed(loaded, [stream])
        assert whole.text == TEXT
        ways = [[stream[:at], stream[at:]] for at in range(1, len(stream))]
        ways.append([bytes([each]) for each in stream])
        for _ in range(100):
            cuts = sorted(random.sample(range(1, len(stream)), random.randrange(2, 40)))
            ways.append([stream[at:to] for at, to in zip([0, *cuts], [*cuts, len(stream)], strict=True)])
        for parts in ways:
            sent, plane = await streamed(loaded, parts)
            assert sent.data == whole.data, [len(each) for each in parts]
            ((record, made),) = plane.records
            assert (record.prediction, record.error) == ("stop", None)
            assert Usage(made.input_tokens, made.output_tokens, made.cached_tokens, made.told) == Usage(10, 6, 2)

    asyncio.run(run())
