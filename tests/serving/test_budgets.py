"""Money for answers: never overspent, and what is spent is what is on record, also after a kill."""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
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

KILLS = 20


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


def test_after_every_kill_the_ledger_equals_the_log(tmp_path: Path) -> None:
    """Wherever it strikes: before the record, between record and settlement, inside either."""
    rng, clock = random.Random(7), SystemClock()
    command = [sys.executable, "-c", ANSWERING, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for _ in range(KILLS):
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
