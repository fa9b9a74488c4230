"""A canary of a language model goes back by what its answers say: unsupported sentences, abstaining, cost, thumbs."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from pydantic import ValidationError

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.journal import Generated
from modelyard.rollout import DeploymentSettings, RolloutEvent
from modelyard.rollout.entities import packed, unpacked
from modelyard.routing import assign

from .yard import ME, Yard

Making = Callable[[str, float], Generated]
"""What an arm answers, by a uniform random number."""


def chats(yard: Yard, requests: int, making: Making, *, start: int = 1, seed: int = 3) -> None:
    """Requests that are assigned each by itself, and what their arms made of them."""
    route = yard.rollouts.route("d")
    assert route is not None
    random = np.random.default_rng(seed)
    records = []
    for number in range(start, start + requests):
        arm = assign(route, f"{number}/{seed}").name
        written = msgspec.json.encode(making(arm, float(random.random()))).decode()
        record = yard.record(arm, number=number)
        records.append(msgspec.structs.replace(record, scores=(), prediction="stop", generated=written))
    yard.journal.append(records)


def unsupported(worse: float, live: float) -> Making:
    """Answers with a sentence that rests on nothing."""
    return lambda arm, drawn: Generated(sentences=3, unsupported=int(drawn < (live if arm == "live" else worse)))


def abstaining(worse: float, live: float) -> Making:
    """Answers that say that there is none."""
    return lambda arm, drawn: Generated(index="i", abstained=drawn < (live if arm == "live" else worse))


def costly(worse: float, live: float) -> Making:
    """Answers that cost a cent, where half a cent is declared."""
    return lambda arm, drawn: Generated(cost_micros=10_000 if drawn < (live if arm == "live" else worse) else 1_000)


ALL: dict[str, Any] = {"guardrails": ["unsupported_rate", "abstention_rate", "llm_cost"], "answer_cost": 0.005}


@pytest.fixture
def make(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Callable[..., Yard]:
    """A yard with version 2 on its way."""

    def made(**declared: Any) -> Yard:
        yard = Yard(tmp_path, clock, built, declared=declared)
        yard.canary()
        yard.rollouts.advance("d", ME)
        return yard

    return made


@pytest.mark.parametrize(
    ("guardrail", "making"),
    [("unsupported rate", unsupported), ("abstention rate", abstaining), ("llm cost", costly)],
)
def test_a_worse_prompt_goes_back_by_its_guardrail(
    make: Callable[..., Yard], guardrail: str, making: Callable[[float, float], Making]
) -> None:
    """Four times as many bad answers as live's: it goes back by the one guardrail that they break."""
    yard = make(**ALL)
    chats(yard, 600, making(0.4, 0.1))
    (event,) = yard.rollouts.tick()
    assert event.kind == "rolled_back"
    assert event.detail.startswith(f"{guardrail}: ")


@pytest.mark.parametrize("making", [unsupported, abstaining, costly])
def test_a_prompt_as_good_as_live_stays(make: Callable[..., Yard], making: Callable[[float, float], Making]) -> None:
    """As many bad answers in both arms, however many: they do not take it back, nor count against its promotion."""
    yard = make(**ALL)
    chats(yard, 800, making(0.3, 0.3))
    assert yard.rollouts.tick() == []
    state = yard.rollouts.state("d")
    assert state is not None
    assert state.state == "active"
    assert state.evidence["canary_bad"] == 0


def test_guardrails_that_are_not_declared_hear_nothing(make: Callable[..., Yard]) -> None:
    """The same answers as those by which it goes back."""
    yard = make()
    chats(yard, 600, unsupported(0.4, 0.1))
    assert yard.rollouts.tick() == []


def test_evidence_adds_up_from_look_to_look_and_counts_nothing_twice(make: Callable[..., Yard]) -> None:
    """Many small looks, by processes of their own, end as one look does."""
    yard = make(**ALL)
    events: list[RolloutEvent] = []
    for part in range(12):
        chats(yard, 50, unsupported(0.4, 0.1), start=1 + 50 * part, seed=3 + part)
        events += yard.process().tick()
        if events:
            break
        assert yard.process().tick() == []
    assert [each.kind for each in events] == ["rolled_back"]
    assert events[0].detail.startswith("unsupported rate")


def test_thumbs_count_when_people_had_their_time(make: Callable[..., Yard], clock: ManualClock) -> None:
    """Seven in ten are down on the canary, one in ten live: back after the window, by `thumbs`, not by `quality`."""
    yard = make(guardrails=["thumbs"], label_window="30m")
    chats(yard, 600, unsupported(0.0, 0.0))
    yard.label(lambda arm, number: "down" if number % 10 < (7 if arm == "canary" else 1) else "up")
    clock.advance(timedelta(minutes=20))
    assert yard.rollouts.tick() == []
    clock.advance(timedelta(minutes=20))
    (event,) = yard.rollouts.tick()
    assert event.detail.startswith("thumbs: ")


def test_a_guardrail_says_what_it_lacks() -> None:
    """What an answer may cost, how long people have, and each once."""
    for declared, said in (
        ({"guardrails": ["llm_cost"]}, "answer_cost"),
        ({"guardrails": ["thumbs"]}, "label_window"),
        ({"guardrails": ["abstention_rate", "abstention_rate"]}, "twice"),
        ({"guardrails": ["toxicity"]}, "unsupported_rate"),
    ):
        with pytest.raises(ValidationError, match=said):
            DeploymentSettings.model_validate({"model": "help@production", **declared})


def test_marks_of_many_guardrails_are_kept_and_old_ones_read() -> None:
    """Ten bits go there and back; what a release with eight wrote is read as it was."""
    marks = {5: 1 | 4 << 7, 2**64 - 1: 3}
    assert unpacked(packed(marks)) == marks
    assert unpacked("BQAAAAAAAAAH") == {5: 7}
