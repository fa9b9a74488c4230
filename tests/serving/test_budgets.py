"""Money for answers: never overspent, and what is spent is what is on record, also after a kill."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import msgspec
import pytest

from modelyard.core import SystemClock
from modelyard.journal import Generated, Journal, PredictionRecord, read_segment, segments
from modelyard.routing import ServingPolicy
from modelyard.serving.chat.budgets import FOLDER, Budgets
from modelyard.serving.chat.ledger import Ledger
from modelyard.serving.errors import BudgetSpent
from modelyard.testing import faulty_upstream

from .test_chat import Gateway, live, route

SOAK = [pytest.mark.soak, pytest.mark.timeout(3600)]


def logged(journal: Path) -> Counter[str]:
    """The costs on record, by deployment."""
    found: Counter[str] = Counter()
    for segment in segments(journal, "predictions"):
        for record in read_segment(segment).records:
            assert isinstance(record, PredictionRecord)
            found[record.deployment] += msgspec.json.decode(record.generated, type=Generated).cost_micros or 0
    return found


def test_of_two_hundred_at_once_as_many_get_money_as_there_is(tmp_path: Path) -> None:
    """Each holds the worst case; what is let go of may be held by others, and budgets are apart."""
    ledger = Ledger(tmp_path)

    def ask(number: int) -> bool:
        try:
            ledger.reserve("b", 1000, str(number), 100)
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        held = [number for number, got in enumerate(threads.map(ask, range(200))) if got]
    assert len(held) == 10
    assert ledger.state("b") == (0, 1000)
    for number in held:
        ledger.settle(str(number), 30)
        ledger.settle(str(number), 30)  # once is once
    assert ledger.state("b") == (300, 0)
    assert sum(map(ask, range(200, 400))) == 7
    ledger.reserve("other", 100, "x", 100)
    with pytest.raises(BudgetSpent) as told:
        ledger.reserve("other", 100, "y", 1)
    assert told.value.context["code"] == "insufficient_quota"
    ledger.close()


def test_two_hundred_callers_at_once_never_overspend_and_the_ledger_equals_the_log(tmp_path: Path) -> None:
    """Money for ten worst cases; who comes too late gets 429, and the upstream never hears of him."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream)
        limit = 10 * 64 + 63  # 64 tokens at a micro each, and no upstream's word that it was less
        policy = ServingPolicy(budget_micros=limit, budget_period="ever")
        priceless = route("priceless", live(made.bundle("bytes")))
        made.publish(route("poor", live(made.bundle("no-usage"))), priceless, policy=policy)
        made.server.start()
        with ThreadPoolExecutor(50) as threads:
            got = Counter(status for status, _ in threads.map(lambda _: made.ask("poor"), range(200)))
        assert got == {200: 10, 429: 190}
        assert upstream.asked["no-usage"] == 10
        status, told = made.ask("poor")
        assert (status, told["error"]["code"]) == (429, "insufficient_quota")
        assert "63 of 703 micros left" in told["error"]["message"]
        assert made.server.metric("model_requests_refused_total", model_name="assistant") == 191
        status, told = made.ask("priceless")
        assert (status, "no price" in told["error"]["message"]) == (503, True)
        made.server.stop()
    ledger = Ledger(tmp_path / "journal" / FOLDER)
    assert ledger.state("poor/ever") == (640, 0)
    ledger.close()
    assert logged(tmp_path / "journal")["poor"] == 640


ANSWERING = r"""
import itertools, os, sys
from pathlib import Path
import msgspec
from modelyard.core import SystemClock, SystemIds
from modelyard.journal import Generated, Journal, PredictionRecord
from modelyard.serving.chat.ledger import Ledger

def record(identity, cost):
    made = msgspec.json.encode(Generated(cost_micros=cost)).decode()
    return PredictionRecord(identity, 0, "d", 1, "1", "live", "live", True, None, (), "stop", (), 1, generated=made)

def answer(folder):
    ledger, journal, ids = Ledger(folder / "ledger"), Journal(folder, "s", SystemClock()), SystemIds()
    for number in itertools.count():
        identity = ids.new(SystemClock().micros())
        note = msgspec.json.encode(record(identity, 100)).decode()
        ledger.reserve("d/ever", 10**12, identity + "/live", 100, note)
        journal.append([record(identity, 7)])
        ledger.settle(identity + "/live", 7)
        os.write(1, b".")

for line in sys.stdin:
    child = os.fork()
    if not child:
        answer(Path(sys.argv[1]))
    os.write(1, b"%d\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"\n")
"""


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=SOAK)])
def test_after_every_kill_the_ledger_equals_the_log(tmp_path: Path, kills: int) -> None:
    """Wherever it strikes: before the record, between record and settlement, inside either."""
    rng, clock = random.Random(7), SystemClock()
    command = [sys.executable, "-c", ANSWERING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for _ in range(kills):
            parent.stdin.write(b"go\n")
            said = b""
            while b"\n" not in said or said.count(b".") < rng.randrange(1, 40):
                said += parent.stdout.read(64)
            os.kill(int(said.replace(b".", b"").split()[0]), signal.SIGKILL)
            while said.count(b"\n") < 2:
                said += parent.stdout.read(64)
            journal = Journal(tmp_path, "next", clock)
            budgets = Budgets(tmp_path, durable=False, record=lambda record, to=journal: to.append([record]))  # type: ignore[misc]  # bound at once
            budgets.resume()
            assert budgets.ledger.state("d/ever") == (logged(tmp_path)["d"], 0)
            budgets.close()
            journal.close()


@pytest.mark.parametrize("kills", [pytest.param(3, marks=pytest.mark.long), pytest.param(200, marks=SOAK)])
def test_after_every_kill_of_a_busy_server_the_ledger_equals_the_log(tmp_path: Path, kills: int) -> None:
    """Whoever was answered is on record once; what was begun costs what was held, and nothing stays held."""
    rng, answered = random.Random(13), set[str]()
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path, upstream)
        policy = ServingPolicy(budget_micros=10**12, budget_period="ever")
        names = {"whole": "answer", "untold": "no-usage", "slow": "hang"}
        made.publish(*(route(name, live(made.bundle(model))) for name, model in names.items()), policy=policy)
        for _ in range(kills):
            made.server.start()
            check_settled(made, answered)
            with ThreadPoolExecutor(6) as threads:
                asking = [threads.submit(ask_on, made, name) for name in (*names, "whole", "whole", "untold")]
                wanted = sum(upstream.asked.values()) + rng.randrange(1, 60)
                made.server.until(lambda wanted=wanted: sum(upstream.asked.values()) >= wanted)  # type: ignore[misc]  # bound at once
                made.server.stop(signal.SIGKILL)
                answered |= {identity for each in asking for identity in each.result()}
        made.server.start()
        check_settled(made, answered)
        assert made.server.stop() == 0
        assert len(answered) > kills
        assert logged(tmp_path / "journal")["slow"] > 0  # what nobody lived to settle


def ask_on(made: Gateway, deployment: str) -> list[str]:
    """Ask until nobody is there; the answers' ids."""
    identities = []
    with suppress(OSError, HTTPException, json.JSONDecodeError):
        while True:
            status, told = made.ask(deployment)
            assert status == 200, told
            identities.append(told["id"].removeprefix("chatcmpl-"))
    return identities


def check_settled(made: Gateway, answered: set[str]) -> None:
    """What is spent is what is on record, once each."""
    ledger, costs = Ledger(made.server.folder / "journal" / FOLDER), logged(made.server.folder / "journal")
    for name in ("whole", "untold", "slow"):
        assert ledger.state(f"{name}/ever") == (costs[name], 0)
    ledger.close()
    told = Counter(record.prediction_id for name in ("whole", "untold", "slow") for record, _ in made.records(name))
    assert answered <= set(told)
    assert set(told.values()) <= {1}
