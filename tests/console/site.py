"""A browser without a screen; and a project that has lived a little."""

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import numpy as np

from modelyard.access import Principal, load_pepper
from modelyard.console import Sessions
from modelyard.core import Judgement, ManualClock, SeededIds, Verdict, to_micros
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.operations import carry_out, keys
from modelyard.rollout import Asked
from modelyard.wiring import Project

from ..conftest import NOON

RULES = """
security:
  approvals:
    production: {required: 1, expires: 30d}
"""
WEEK = timedelta(days=7)


@dataclass
class Answer:
    """What the console answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Browser:
    """Asks as a browser does: keeps cookies, follows nothing by itself."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Answer:
        """The page at a path."""
        return self._ask("GET", path, None, headers)

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        """What a form is answered, as sent from a page of the console."""
        sent = {"Origin": f"http://127.0.0.1:{self.port}", **headers}
        return self._ask("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded", **sent})

    def send(self, page: str, path: str, **form: str) -> str:
        """Fill in a form of a page, send it, and read the page that it leads to."""
        found = re.search(rf'action="{re.escape(path)}".*?name="token" value="(\w+)"', self.get(page).text, re.DOTALL)
        assert found is not None, f"{page} has no form to {path}"
        answer = self.post(path, {"token": found[1], **form})
        assert answer.status == 303, answer.text
        return self.get(answer.headers["location"]).text

    @contextmanager
    def following(self, path: str) -> Iterator[Iterator[str]]:
        """The marks that events of a page bring, as they come."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = (line.decode().strip() for line in iter(answer.readline, b""))
            yield (line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        finally:
            connection.close()

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            jar = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            connection.request(method, path, body, {**(jar if self.cookies else {}), **headers})
            answer = connection.getresponse()
            for line in answer.headers.get_all("set-cookie") or ():
                name, value = line.split(";")[0].split("=", 1)
                self.cookies.pop(name, None)
                if value.strip('"'):
                    self.cookies[name] = value
            told = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()


def opened(folder: Path, clock: ManualClock | None = None) -> Project:
    """The project in a folder."""
    return Project(folder, clock=clock or ManualClock(NOON), ids=SeededIds(3), environment={})


def person(project: Project, name: str, role: str) -> tuple[str, Principal]:
    """An API key for somebody, and who it makes them."""
    made = carry_out(keys.create_key, project, keys.CreateKey(name, role))
    sessions = Sessions(project.records, project.clock, load_pepper(project.run_folder / "pepper"), lambda _used: None)
    return made["key"], sessions.holder(made["key"])


def second_version(project: Project) -> int:
    """Version 1 once more, as version 2."""
    first = project.models.get("purchase", 1)
    folder = project.models.fetch_bundle(first, project.workspace / "second")
    return project.models.register(
        "purchase", principal=project.principal, source=str(first.source), run=first.run, bundle=folder,
        digest=first.bundle, gates=[Judgement(Verdict.PASS)], metrics={"auc": 0.7}, params={"only_here": 1},
    ).number  # fmt: skip


def answers(
    project: Project, count: int, *, generation: int = 1, share: float = 0.0, errors: float = 0.0, shift: float = 0.0
) -> None:
    """So many requests of this instant, with their truth; a share of them asked of the canary, which may fail."""
    random, record = np.random.default_rng(generation), cast("Any", PredictionRecord)
    at = to_micros(project.clock.now())
    journal = Journal(project.journal_folder, f"server-{at}-{generation}", project.clock)
    for number in range(count):
        identity, mine = f"{at}-{generation}-{number}", bool(random.random() < share)
        row: tuple[Any, ...] = (int(random.poisson(5 + shift)) + 1, float(random.gamma(2, 3)), "mail")
        score, failed = float(random.random()), mine and bool(random.random() < errors)
        told = (identity, at, "shop", generation)
        rest = (None, row, int(score > 0.5), (score,), 2100)
        if mine:
            journal.append([record(*told, "2", "canary", "canary", not failed, *rest, "model" if failed else None, at)])
        if failed or not mine:
            journal.append([record(*told, "1", "live", "live", True, *rest, None, at)])
        label = int(random.random() < score)
        journal.append([TruthRecord(identity, "shop", label, at, at, at)])
    journal.close()


def shadowed(project: Project, count: int) -> None:
    """So many requests of this instant that the shadow answers too, each a little more sure."""
    record, at = cast("Any", PredictionRecord), to_micros(project.clock.now())
    route = project.rollouts.route("shop")
    assert route is not None
    journal = Journal(project.journal_folder, f"shadow-{at}", project.clock)
    for number in range(count):
        score = number / (2 * count)
        for version, arm, more in (("1", "live", 0.0), ("2", "shadow", 0.01)):
            told = (f"pair-{number}", at, "shop", route.generation, version, arm, arm, arm == "live", None)
            found = score + more * number
            journal.append([record(*told, (5, 3.0, "mail"), int(found > 0.4), (found,), 2000)])
    journal.close()


def live_a_while(project: Project, clock: ManualClock) -> None:
    """Version 1 is approved and live, a week of answers drifts and is judged, version 2 is a canary with evidence."""
    _, reviewer = person(project, "reviewer", "approver")
    project.approvals.approve(project.models.get("purchase", 1), "production", reviewer, "looked at it")
    project.rollouts.start("shop", 1, project.principal)
    start = clock.now()
    clock.set(start + timedelta(days=1))
    project.monitors.run("shop", since=start)
    answers(project, 300, shift=6.0)
    clock.set(start + 2 * WEEK)
    assert project.monitors.run("shop", since=start)
    number = second_version(project)
    project.approvals.approve(project.models.get("purchase", number), "production", reviewer, "as good")
    asked = Asked(strategy="canary", steps=(10, 50, 100), dwell=timedelta(hours=1), min_requests=50)
    project.rollouts.start("shop", number, project.principal, asked=asked)
    for step in range(3):
        clock.set(clock.now() + timedelta(minutes=5))
        answers(project, 60 + 100 * step, generation=2, share=0.1)
        project.rollouts.tick()
