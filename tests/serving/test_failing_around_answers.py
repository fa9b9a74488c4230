"""What fails around an answer: record, ledger, declared upstreams. Callers are told, no money is lost or doubled."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modelyard.core import Digest, ModelyardError, NotFound
from modelyard.generation import Application, Price, PriceList, Prompt, Reply, Target, Upstream, Upstreams, calling
from modelyard.guards import default_set
from modelyard.journal import Generated, JournalUnavailable, PredictionRecord, Unrecordable
from modelyard.routing import Arm, Route, ServingPolicy
from modelyard.serving.applications import LoadedApplication
from modelyard.serving.chat import chat_error, gateway
from modelyard.serving.chat import ledger as ledger_module
from modelyard.serving.chat.asked import read_asked
from modelyard.serving.chat.budgets import Budgets
from modelyard.serving.chat.exchange import Exchange, Parts, Question
from modelyard.serving.chat.kept import AnswerCaches
from modelyard.serving.chat.ledger import Ledger
from modelyard.serving.deployments import Deployment
from modelyard.serving.errors import BudgetUnknown, Overloaded
from modelyard.serving.guarding import Guards
from modelyard.serving.requests import Request

from .test_guarded_streams import ASKED, WHOLE, Plane, Saying, Sent, event, said, stream_of

ANSWER = b'{"choices":[{"message":{"content":"yes"}}],"usage":{"prompt_tokens":30,"completion_tokens":20}}'
USAGE = b'data: {"usage":{"prompt_tokens":30,"completion_tokens":20}}\n\n'
STREAM = [event(said("yes")), event({}, "stop"), USAGE, b"data: [DONE]\n\n"]
PRICES = PriceList({"m": Price(10**6, 10**6)})


class Priced(Saying):
    """Upstreams of which one says these bytes, and takes a micro a token."""

    def __init__(self, parts: list[bytes]) -> None:
        super().__init__(parts)
        self.asked = 0

    async def ask(self, targets: Any, make_body: object, *, deadline: float) -> Reply:
        """It has begun."""
        self.asked += 1
        return await super().ask(targets, make_body, deadline=deadline)

    def get(self, _name: str) -> Upstream:
        """With prices."""
        return Upstream("http://127.0.0.1:1/v1", prices=PRICES)


class Undeclared(Priced):
    """The same, which is no longer declared once it was asked."""

    def get(self, name: str) -> Upstream:
        """Not any more."""
        if self.asked > 1:
            raise NotFound(f"There is no upstream '{name}'.")
        return super().get(name)

    async def ask(self, targets: Any, make_body: object, *, deadline: float) -> Reply:
        """It has begun, and is gone."""
        reply = await super().ask(targets, make_body, deadline=deadline)
        self.asked += 1
        return reply


class Failing(Plane):
    """A plane whose record fails as it is told, and that counts."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.told: Counter[str] = Counter()

    def answered(self, *told: object) -> None:
        """Count it, by its code."""
        self.told[str(told[-1])] += 1

    def unanswered(self, *_: object) -> None:
        """Count it."""
        self.told["unanswered"] += 1

    def refused(self, _deployment: Deployment) -> None:
        """Count it."""
        self.told["refused"] += 1

    def generated(self, deployment: Deployment, record: PredictionRecord, generated: Generated) -> None:
        """Keep it, or fail."""
        self.told["records"] += 1
        if self.error is not None:
            raise self.error
        super().generated(deployment, record, generated)


class Heard(Sent):
    """What leaves, with its status."""

    status = 200

    def write(self, status: int, body: bytes) -> None:
        """A whole answer."""
        self.status = status
        super().write(status, body)


class Desk:
    """A deployment with a budget, of a live arm and, if it is to be, a canary; its ledger stands in a folder."""

    def __init__(self, folder: Path, upstreams: Saying, plane: Plane, *, canary: bool = False) -> None:
        self.plane = plane
        self.budgets = Budgets(folder, durable=False, record=lambda _record: None)
        self._parts = Parts(cast("Any", plane), cast("Upstreams", upstreams), self.budgets, AnswerCaches())
        arms = [Arm("live", "live", "1", Digest("0" * 64), 0.0 if canary else 1.0)]
        arms += [Arm("canary", "canary", "2", Digest("1" * 64), 1.0)] if canary else []
        loaded = {each.name: LoadedApplication(each, Application((Target("one", "m"),)), Prompt(())) for each in arms}
        policy = ServingPolicy(budget_micros=10**9, budget_period="ever")
        self.deployment = Deployment(Route("desk", "assistant", 1, tuple(arms), "salt"), loaded, {}, policy)
        self._arm = loaded["canary" if canary else "live"]
        self._asked = 0

    async def ask(self, body: bytes = WHOLE) -> Heard:
        """Ask, and hear what comes."""
        request, heard = Request({"headers": ()}, None), Heard()
        request.body = body
        self._asked += 1
        asked, name = read_asked(request), f"id{self._asked}"
        question = Question(asked, self.deployment, self._arm, name, cast("Any", 0), None, forced=False)
        await Exchange(self._parts, question, heard).run()
        return heard

    @property
    def state(self) -> tuple[int, int]:
        """What is spent, and what is held."""
        return self.budgets.ledger.state("desk/ever")

    @property
    def costs(self) -> int:
        """What is on record."""
        return sum(each.cost_micros or 0 for _, each in self.plane.records)


def code_of(heard: Heard) -> Any:
    """The code of an error, or None."""
    last = heard.data.removesuffix(b"\n\n").rpartition(b"data: ")[2]
    return None if b"[DONE]" in last else json.loads(last).get("error", {}).get("code")


@pytest.mark.parametrize("body", [WHOLE, ASKED])
def test_an_upstream_that_is_no_longer_declared_while_it_answers_is_paid_as_it_was_asked(
    tmp_path: Path, body: bytes
) -> None:
    """Its answer is told, by the prices that it was asked for."""
    plane = Failing()
    desk = Desk(tmp_path, Undeclared([ANSWER] if body == WHOLE else STREAM), plane)
    heard = asyncio.run(desk.ask(body))
    assert (heard.status, code_of(heard)) == (200, None)
    assert [(each.cost_micros, each.prices) for _, each in plane.records] == [(50, PRICES.digest)]
    assert desk.state == (50, 0)


@pytest.mark.parametrize("canary", [False, True])
@pytest.mark.parametrize("body", [WHOLE, ASKED])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Unrecordable("too large"), 400, "unrecordable"), (JournalUnavailable("full"), 503, "journal_unavailable")],
)
def test_an_answer_that_cannot_be_put_on_record_is_told_so_and_no_other_is_paid_for(
    tmp_path: Path, body: bytes, error: Exception, status: int, code: str, *, canary: bool
) -> None:
    """It is tried once, by one arm; a stream that has begun ends with an error event. What it cost is spent."""
    plane, upstreams = Failing(error), Priced([ANSWER] if body == WHOLE else STREAM)
    desk = Desk(tmp_path, upstreams, plane, canary=canary)
    heard = asyncio.run(desk.ask(body))
    assert code_of(heard) == code
    assert b"[DONE]" not in heard.data
    assert heard.status == (status if body == WHOLE else 200)
    assert plane.told == {"records": 1, "unanswered": 1, str(heard.status): 1}
    assert upstreams.asked == 1
    assert desk.state == (50, 0)


def test_a_failure_that_cannot_be_put_on_record_is_told_all_the_same(tmp_path: Path) -> None:
    """What the caller gets is what went wrong first."""
    errors: tuple[ModelyardError, ...] = (Unrecordable("too large"), JournalUnavailable("full"))
    for error in errors:
        plane = Failing(error)
        heard = asyncio.run(Desk(tmp_path / error.code, Priced([b"{"]), plane).ask())
        assert (heard.status, code_of(heard)) == (502, "upstream_broken")
        assert plane.told == {"records": 1, "unanswered": 1, "502": 1}


def failing_once(method: Callable[..., None]) -> Callable[..., None]:
    """A method of the ledger that finds no room the first time."""
    failed: list[int] = []

    def made(*given: Any) -> None:
        if not failed:
            failed.append(1)
            raise BudgetUnknown("No space left.")
        method(*given)

    return made


def test_money_that_cannot_be_settled_is_settled_with_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is told all the same; until then its money stays held."""
    plane = Failing()
    desk = Desk(tmp_path, Priced([ANSWER]), plane)
    monkeypatch.setattr(Ledger, "settle", failing_once(Ledger.settle))
    assert code_of(asyncio.run(desk.ask())) is None
    spent, held = desk.state
    assert (spent, held > 50) == (0, True)
    assert code_of(asyncio.run(desk.ask())) is None
    assert desk.state == (desk.costs, 0) == (100, 0)


def test_nobody_is_asked_where_money_cannot_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, on record; the next one is asked again."""
    plane, upstreams = Failing(), Priced([ANSWER])
    desk = Desk(tmp_path, upstreams, plane)
    monkeypatch.setattr(Ledger, "reserve", failing_once(Ledger.reserve))
    heard = asyncio.run(desk.ask())
    assert (heard.status, code_of(heard), upstreams.asked) == (503, "budget_unknown", 0)
    assert [(record.error, each.cost_micros) for record, each in plane.records] == [("model", None)]
    assert asyncio.run(desk.ask()).status == 200
    assert desk.state == (50, 0)


def test_a_ledger_that_is_full_says_so_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was held before is there, and can be settled."""
    monkeypatch.setattr(ledger_module, "_SIZE", 1 << 18)
    ledger, held = Ledger(tmp_path), 0

    def reserve(number: int) -> None:
        ledger.reserve("b", 10**9, str(number), 10, "x" * 3000)

    with suppress(BudgetUnknown):
        for held in range(1000):
            reserve(held)
    assert 5 < held < 100
    with pytest.raises(BudgetUnknown, match="cannot be written") as told:
        reserve(held)
    assert "Free space" in told.value.remedy
    assert ledger.state("b") == (0, 10 * held)
    for each in range(held):
        ledger.settle(str(each), 3)
    assert ledger.state("b") == (3 * held, 0)
    ledger.close()


def test_a_stream_that_is_larger_than_any_record_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long its upstream would go on."""
    monkeypatch.setattr(calling, "LARGEST_STREAM", 1000)
    plane = Failing()
    desk = Desk(tmp_path, Priced([event(said("yes"))] * 100), plane)
    heard = asyncio.run(desk.ask(ASKED))
    assert (code_of(heard), heard.text) == ("upstream_broken", "yes" * (1000 // len(event(said("yes")))))
    assert [record.error for record, _ in plane.records] == ["invalid_output"]
    assert desk.state == (desk.costs, 0)


@pytest.mark.parametrize("index", [None, "a.b", True, 1.5, [], 10**30])
def test_calls_of_tools_with_odd_indices_go_through_guards(index: object) -> None:
    """A number that is none tells nothing: their texts leave whole, and without what guards take out."""
    guards = Guards.of(default_set())
    passage = guards.on("output")
    assert passage is not None
    texts = ['{"to": "jane@exam', "ple.com"]
    pieces = [{"tool_calls": [{"index": index, "function": {"arguments": each}}]} for each in texts]
    passed = [passage.piece(0, each, ended=False) for each in pieces] + [passage.piece(0, {}, ended=True)]
    left = "".join(call["function"]["arguments"] for each in passed for call in each.get("tool_calls", ()))
    assert left == '{"to": "[EMAIL]'
    passage.judge()


def test_the_end_of_a_stream_without_a_reason_is_one(tmp_path: Path) -> None:
    """Each choice that has begun is ended, once, and on record as such."""
    plane = Failing()
    parts = [event(said("yes")), event(said(" or no")), b"data: [DONE]\n\n"]
    heard = asyncio.run(Desk(tmp_path, Priced(parts), plane).ask(ASKED))
    assert heard.text == "yes or no"
    assert heard.data.count(b'"finish_reason":"stop"') == 1
    assert heard.data.endswith(b"data: [DONE]\n\n")
    assert [record.prediction for record, _ in plane.records] == ["stop"]
    other = Desk(tmp_path / "other", Priced(stream_of(["yes"])), plane)
    assert asyncio.run(other.ask(ASKED)).data.count(b'"finish_reason":"stop"') == 1


def test_who_comes_when_too_many_chats_are_under_way_is_sent_away_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 503 before anything is begun; he holds no money."""
    monkeypatch.setattr(gateway, "MOST_AT_ONCE", 0)
    plane = Failing()
    desk = Desk(tmp_path, Priced([ANSWER]), plane)
    cast("Any", plane).deployments = SimpleNamespace(find=lambda _name: desk.deployment)
    request = Request({"headers": ()}, None)
    request.body = WHOLE
    with pytest.raises(Overloaded, match="0 chats are under way") as told:
        gateway.Gateway(cast("Any", plane), {}).chat(request, Anybody(), Heard())
    assert chat_error(told.value)[0] == 503
    assert plane.told == {"refused": 1}


class Anybody:
    """A caller who may ask everything."""

    scope, groups = "", ()

    def may(self, _deployment: str) -> bool:
        """Yes."""
        return True

    def permit(self, _deployment: str) -> None:
        """Nothing against it."""
