"""What happens while the server runs: readers ask, prompts are tried, a page is deleted."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from modelyard.core import Failed, SystemClock, to_micros
from modelyard.rollout import Asked, RolloutEvent, Strategy
from modelyard.wiring import Project

from .library import BARE, MANUAL, PLANNED, register_version, remove_page, withdraw_page
from .questions import Question, Suite
from .readers import Answer, Readers

FOLLOW_SECONDS = 20.0
CANARY_READERS = 150
DECIDED_SECONDS = 40.0
"""How long is waited, after the last reader, for a decision."""

WITHDRAWN_SECONDS = 1.0
"""Within so long servers know of what is withdrawn."""

_AT_ONCE = Asked(strategy="all-at-once")
_BATCH = 15
_ANSWERABLE = 2 / 3
"""The share of readers who ask what a page answers."""


@dataclass(frozen=True)
class Deleted:
    """A page that was deleted, and the questions for which it had been retrieved, with their answers.

    `before` were told when it was there, `again` as well, `kept` of these from the cache; `after` since it was deleted.
    """

    page: str
    questions: tuple[Question, ...]
    before: tuple[Answer, ...]
    again: tuple[Answer, ...]
    after: tuple[Answer, ...]
    kept: int


@dataclass
class Lived:
    """What came of it all."""

    versions: dict[str, int] = field(default_factory=dict)
    events: list[RolloutEvent] = field(default_factory=list)
    grounded: list[Answer] = field(default_factory=list)
    bare: list[Answer] = field(default_factory=list)
    deleted: Deleted | None = None
    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str, talk: Console) -> Iterator[None]:
        """Say what is being done, and keep how long it took."""
        began = time.monotonic()
        talk.print(f"[bold]{name}[/] …", highlight=False)
        yield
        self.phases[name] = round(time.monotonic() - began, 1)


class Story:
    """One run, in its order. The control plane is this process."""

    def __init__(self, project: Project, suite: Suite, lived: Lived, talk: Console, seed: int) -> None:
        self._project = project
        self._suite = suite
        self._lived = lived
        self._talk = talk
        self._chance = random.Random(seed)  # noqa: S311 - of which reader asks what
        self._readers = 0

    async def live(self, readers: Readers) -> None:
        """Everything, one after the other."""
        lived, talk = self._lived, self._talk
        with lived.phase("an A/B test of two prompts", talk):
            await self._try(readers, "plain", "ab", PLANNED)
            if self._state() == "active" and self._wins():
                self._note([self._project.rollouts.promote(MANUAL, self._project.principal, "it answers more")])
            elif self._state() == "active":
                self._note([self._project.rollouts.abort(MANUAL, self._project.principal, "nothing was decided")])
            await self._followed()
        with lived.phase("a canary of a worse prompt", talk):
            await self._try(readers, "timid", "canary", CANARY_READERS)
        with lived.phase("questions that are reported", talk):
            asked = self._suite.of("test")
            lived.grounded, lived.bare = await asyncio.gather(
                readers.ask_all(MANUAL, asked), readers.ask_all(BARE, asked)
            )
        with lived.phase("a page is deleted", talk):
            lived.deleted = await self._delete(readers)

    async def _try(self, readers: Readers, prompt: str, strategy: Strategy, most: int) -> None:
        """Roll out a version with a prompt, and let readers come until something is decided or `most` have."""
        number = self._lived.versions[prompt] = register_version(self._project, prompt)
        asked = Asked(strategy=strategy)
        self._note([self._project.rollouts.start(MANUAL, number, self._project.principal, asked=asked)])
        await self._followed()
        came = 0
        while came < most and not self._decided():
            await self._read(readers, min(_BATCH, most - came))
            came += _BATCH
        await _until(self._decided, DECIDED_SECONDS)
        if strategy == "canary" and self._state() == "active":
            self._note([self._project.rollouts.abort(MANUAL, self._project.principal, "nothing was decided")])
        await self._followed()

    async def _read(self, readers: Readers, count: int) -> None:
        """So many readers, each with a question of the half that is not reported."""
        waiting = iter([self._question() for _ in range(count)])

        async def one() -> None:
            for question in waiting:
                self._readers += 1
                reader = f"reader-{self._readers}"
                answer = await readers.ask(MANUAL, question.question, reader=reader)
                await readers.tell(MANUAL, question, answer, reader)

        await asyncio.gather(*(one() for _ in range(readers.at_once)))

    def _question(self) -> Question:
        return self._chance.choice(self._suite.of("dev", answerable=self._chance.random() < _ANSWERABLE))

    def _decided(self) -> bool:
        """Let the machine look; whether the rollout is over, or has a winner that waits to be promoted."""
        self._note(self._project.rollouts.tick())
        return self._state() != "active" or self._wins()

    def _wins(self) -> bool:
        rollout = self._project.rollouts.state(MANUAL)
        return rollout is not None and rollout.kept.get("verdict") == "winner"

    def _state(self) -> str | None:
        rollout = self._project.rollouts.state(MANUAL)
        return None if rollout is None else rollout.state

    async def _delete(self, readers: Readers) -> Deleted | None:
        """Delete the page that was cited most, and ask again what it had answered: while it is there, once it is
        withdrawn, from an index without it, and from the version before, which a rollback brings back.
        """
        asked = list(zip(self._suite.of("test"), self._lived.grounded, strict=True))
        pages = [page for _, answer in asked for page in set(answer.cited)]
        if not pages:
            return None
        page = max(sorted(set(pages)), key=pages.count)
        told = [(question, answer) for question, answer in asked if page in answer.retrieved]
        questions = [question for question, _ in told]
        hits = self._hits()
        again = await readers.ask_all(MANUAL, questions)
        kept = self._hits() - hits
        withdraw_page(self._project, page)
        await asyncio.sleep(WITHDRAWN_SECONDS)
        after = await readers.ask_all(MANUAL, [*questions, *questions])
        number = register_version(self._project, "plain", index=remove_page(self._project, page))
        self._note([self._project.rollouts.start(MANUAL, number, self._project.principal, asked=_AT_ONCE)])
        await self._followed()
        after += await readers.ask_all(MANUAL, questions)
        self._note([self._project.rollouts.rollback(MANUAL, self._project.principal, "whether the page comes back")])
        await self._followed()
        after += await readers.ask_all(MANUAL, questions)
        return Deleted(page, tuple(questions), tuple(answer for _, answer in told), tuple(again), tuple(after), kept)

    def _hits(self) -> int:
        """How many answers so far came from the cache."""
        rows = self._project.log.predictions(MANUAL, columns=("generated",))
        return sum('"cache":"hit"' in (each or "") for each in rows.column("generated").to_pylist())

    def _note(self, events: Sequence[RolloutEvent]) -> None:
        for event in events:
            self._lived.events.append(event)
            self._talk.print(f"  {event.kind.replace('_', ' '):<12} v{event.version}  {event.detail}", soft_wrap=True)

    async def _followed(self) -> None:
        """Wait until the server has followed the newest route; it says so beside the feed."""
        route = self._project.rollouts.route(MANUAL)
        wanted = 0 if route is None else route.generation
        if not await _until(lambda: self._server_at(wanted), FOLLOW_SECONDS):
            raise Failed(f"The server did not follow to generation {wanted}.", remedy="See its log in run/.")

    def _server_at(self, generation: int) -> bool:
        statuses = self._project.feed.statuses(to_micros(SystemClock().now()))
        return any(status.generations.get(MANUAL, 0) >= generation for status in statuses)


async def _until(so: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so, or for so long; whether it is."""
    deadline = time.monotonic() + seconds
    while not so():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True
