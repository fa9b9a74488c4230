"""All scenarios, 4,000 runs each, as the tables that the documentation shows; exit code 1 when a bound is broken.

`--page docs/architecture/06-rollout-evidence.md` puts them there.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ..figures import Figure, Target
from .bounds import FALSE_PROMOTION, highest, lowest
from .contests import Paths, binary_paths, naively_told, told, value_paths
from .events import RAMP, Events, delayed, diurnal_events, entity_events, ramp_events
from .page import filled
from .promotions import Counted, diurnal_counts, entity_counts, promoted, ramp_counts
from .rollbacks import rollback_values

_CHUNK = 250
SPEND = "spend: 9 in 10 nothing, then log-normal"
Random = np.random.Generator
Made = Callable[[int], Events]


@dataclass
class Book:
    """What was printed, and what was broken."""

    runs: int
    random: Random
    broken: int = 0
    tables: dict[str, list[str]] = field(default_factory=dict)

    def line(self, *cells: str) -> None:
        """A row of a table."""
        row = f"| {' | '.join(cells)} |"
        self.tables[next(reversed(self.tables))].append(row)
        print(row, flush=True)  # noqa: T201 - a benchmark prints

    def head(self, name: str, title: str, *columns: str) -> None:
        """A table begins; the page knows it by its name."""
        self.tables[name] = []
        print(f"\n{title}\n", flush=True)  # noqa: T201 - as above
        self.line(*columns)
        self.line(*("---" for _ in columns))

    def kept(self, *, holds: bool) -> str:
        """How a bound is told."""
        self.broken += not holds
        return "kept" if holds else "**broken**"


def main(arguments: Sequence[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollout", description=__doc__)
    parser.add_argument("--runs", type=int, default=4_000, help="of each scenario (4000)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other runs (1)")
    parser.add_argument("--page", type=Path, help="a page whose tables are replaced by these")
    given = parser.parse_args(arguments)
    book = Book(given.runs, np.random.default_rng(given.seed))
    _false_rollbacks(book)
    _not_held(book)
    _caught(book)
    _promotions(book)
    _contests(book)
    if given.page is not None:
        given.page.write_text(filled(given.page.read_text(), book.tables))
    return 1 if book.broken else 0


def short() -> list[Figure]:
    """500 runs at the margin, and of canaries twice as bad."""
    book = Book(500, np.random.default_rng(1))
    false = float((_peak(book, _ramp(book.random, 0.01, 1.25)) >= 100).mean())
    caught = float((_peak(book, _ramp(book.random, 0.01, 2.0)) >= 100).mean())
    passed = _promoted(book, ramp_counts, 0.01, 0.02)
    runs = f"{book.runs} runs of a ramp, live 1% bad"
    return [
        Figure("rollbacks", f"false ones at alpha .01, a canary at the margin; {runs}", 100 * false, "%",
               Target("<=", 100 * highest(0.01, book.runs))),
        Figure("rollbacks", f"of canaries twice as bad; {runs}", 100 * caught, "%",
               Target(">=", 100 * lowest(0.99, book.runs))),
        Figure("promotions", f"of canaries twice as bad; {runs}", 100 * passed, "%",
               Target("<=", 100 * highest(FALSE_PROMOTION, book.runs))),
    ]  # fmt: skip


def _peaks(book: Book, made: Made) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Of each run the greatest value at any event; and of each chunk the values and the canary's bad responses."""
    peaks, values, bad = [], [], []
    for _ in range(-(-book.runs // _CHUNK)):
        events = made(_CHUNK)
        found = np.where(events.there, rollback_values(events), 0.0)
        peaks.append(found.max(axis=1))
        values.append(np.minimum(np.maximum.accumulate(found, axis=1), 1e30).astype(np.float32))
        bad.append(np.cumsum(events.canary, axis=1).astype(np.int32))
    return np.concatenate(peaks), values, bad


def _peak(book: Book, made: Made) -> np.ndarray:
    return np.concatenate(
        [
            np.where((events := made(_CHUNK)).there, rollback_values(events), 0.0).max(axis=1)
            for _ in range(-(-book.runs // _CHUNK))
        ]
    )


def _false_rollbacks(book: Book) -> None:
    """As good as live, and at the margin: the worst that is still no reason."""
    book.head(
        "false rollbacks",
        "False rollbacks, looking after every event",
        "scenario",
        "canary",
        "alpha .01",
        "alpha .05",
        "bound",
    )
    random = book.random
    scenarios = [
        (f"ramp, {rate:.1%} bad", f"{factor:g}x", _ramp(random, rate, factor), factor == 1)
        for rate in (0.001, 0.005, 0.01, 0.05)
        for factor in (1.0, 1.25)
    ]
    scenarios += [
        ("rates and traffic swing by day", "1.25x", lambda n: diurnal_events(random, n, 0.01, 0.0125), False),
        ("entities that fail 1 in 20, first only", "1.25x", _entities(random, 0.05, 1.25), False),
        ("entities that fail 1 in 2, first only", "1.25x", _entities(random, 0.5, 1.25), False),
        ("the same, a canary ten times better", "0.1x", _entities(random, 0.5, 0.1), False),
        ("labels late by the same in both arms", "1.25x", _late(random, 1.25, (0.2, 0.2), None), False),
        ("the canary's labels sooner, counted when all are due", "1x", _late(random, 1.0, (0.3, 0.02), 1.0), False),
    ]
    for name, canary, made, healthy in scenarios:
        peaks = _peak(book, made)
        shares = [float((peaks >= 1 / alpha).mean()) for alpha in (0.01, 0.05)]
        holds = all(share <= highest(alpha, book.runs) for share, alpha in zip(shares, (0.01, 0.05), strict=True))
        if healthy:
            holds = holds and shares[0] <= highest(0.0015, book.runs)
        book.line(name, canary, *(f"{each:.2%}" for each in shares), book.kept(holds=holds))


def _not_held(book: Book) -> None:
    """What breaks the promise, so that nobody does it."""
    random = book.random
    book.head("breaks", "What would break it", "scenario", "canary", "false rollbacks at alpha .05")
    for name, canary, made in (
        ("the canary's labels sooner, counted as they come", "1x", _late(random, 1.0, (0.3, 0.02), None)),
        ("the canary's labels sooner, 1 in 5 of live's never due", "1.25x", _late(random, 1.25, (0.3, 0.02), 0.5)),
        ("sticky: every event of entities that fail 1 in 2", "1x", _entities(random, 0.5, 1.0, first_only=False)),
    ):
        book.line(name, canary, f"{float((_peak(book, made) >= 20).mean()):.1%}")


def _entities(random: Random, rate: float, factor: float, *, first_only: bool = True) -> Made:
    return lambda n: entity_events(
        random, n, prone=100, live=rate, canary=rate * factor, requests=20.0, first_only=first_only
    )


def _ramp(random: Random, rate: float, factor: float, step: int = 20_000) -> Made:
    return lambda n: ramp_events(random, n, rate, rate * factor, step=step)


def _late(random: Random, factor: float, means: tuple[float, float], window: float | None) -> Made:
    return lambda n: delayed(
        random, ramp_events(random, n, 0.01, 0.01 * factor), live=means[0], canary=means[1], window=window
    )


def _caught(book: Book) -> None:
    """How often a worse canary is rolled back by the end of the ramp, and after how many of its bad responses."""
    book.head(
        "caught",
        "Rollbacks of a canary that is worse than 1%, by the end of the ramp, alpha .01 (median of its bad responses)",
        "requests a step", "guardrails", "1.5%", "2%", "3%", "5%", "bound",
    )  # fmt: skip
    for step in (20_000, 5_000, 2_000):
        found = [_peaks(book, _ramp(book.random, 0.01, factor, step)) for factor in (1.5, 2.0, 3.0, 5.0)]
        for guardrails in (1, 2, 4):
            cells = [_share_and_median(*each, guardrails / 0.01) for each in found]
            bound = "not promised"
            if step == 20_000 and guardrails == 1:
                (twice, _), (five, median) = cells[1], cells[3]
                bound = book.kept(holds=twice >= 0.99 and five == 1 and median <= 12)
            book.line(f"{step:,}", str(guardrails), *(_cell(*each) for each in cells), bound)


def _share_and_median(
    peaks: np.ndarray, values: list[np.ndarray], bad: list[np.ndarray], threshold: float
) -> tuple[float, float]:
    counts: list[int] = []
    for greatest, seen in zip(values, bad, strict=True):
        enough = greatest >= threshold
        at = np.argmax(enough, axis=1)
        counts += np.take_along_axis(seen, at[:, None], axis=1)[enough.any(axis=1), 0].tolist()
    return float((peaks >= threshold).mean()), float(np.median(counts)) if counts else float("nan")


def _cell(share: float, median: float) -> str:
    return f"{share:.1%}" + (f" ({median:.0f})" if median == median else "")  # noqa: PLR0124 - not NaN


def _promotions(book: Book) -> None:
    """Promotions at any look, as an operator may ask for them, and at those of the last step, as the machine does."""
    runs = book.runs
    factors = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
    book.head(
        "promotions",
        "Promotions within a ramp of 20,000 requests a step, p_ok 1%, 50 looks a step",
        "live is bad", "looks that count", *(f"{each:g}x" for each in factors), "bound",
    )  # fmt: skip
    last = 50 * (len(RAMP) - 1)
    for rate in (0.005, 0.01, 0.02, 0.05):
        for looks, since in (("any", 0), ("the last step's", last)):
            shares = [_promoted(book, ramp_counts, rate, rate * factor, since) for factor in factors]
            holds = max(shares[3:]) <= highest(FALSE_PROMOTION, runs) and shares[0] >= lowest(0.94, runs)
            book.line(f"{rate:.1%}", looks, *(f"{each:.1%}" for each in shares), book.kept(holds=holds))
    book.head("promotions elsewhere", "The same in other worlds", "scenario", "1x", "2x", "4x", "bound")
    worlds: list[tuple[str, Callable[..., Counted], int, bool]] = [
        ("rates swing by day, looked at from the start", diurnal_counts, 0, True),
        ("rates swing by day, after the first day", diurnal_counts, 192, True),
        ("sticky, 1 entity in 10 fails: first requests", entity_counts, 0, True),
        ("the same, every request counted", partial(entity_counts, first_only=False), 0, False),
    ]
    for name, made, since, promised in worlds:
        shares = [_promoted(book, made, 0.01, 0.01 * factor, since) for factor in (1.0, 2.0, 4.0)]
        told_so = book.kept(holds=max(shares[1:]) <= highest(FALSE_PROMOTION, runs)) if promised else "not promised"
        book.line(name, *(f"{each:.1%}" for each in shares), told_so)


def _promoted(book: Book, made: Callable[..., Counted], live: float, canary: float, since: int = 0) -> float:
    chunks = range(-(-book.runs // _CHUNK))
    return float(np.mean([promoted(made(book.random, _CHUNK, live, canary), since=since).mean() for _ in chunks]))


def _contests(book: Book) -> None:
    """A/B tests without a difference, looked at after every 50 of 20,000 units."""
    random = book.random
    book.head(
        "tests",
        "A/B tests without a difference, alpha .05, a look every 50 of 20,000 units",
        "metric", "treatment's share", "told", "by a test made for one look", "ready at the end", "bound",
    )  # fmt: skip
    scenarios: list[tuple[str, float, Callable[[int], Paths]]] = [
        ("share of 1%", 0.5, lambda n: binary_paths(random, n, (0.01, 0.01))),
        ("share of 5%", 0.5, lambda n: binary_paths(random, n, (0.05, 0.05))),
        ("share of 50%", 0.5, lambda n: binary_paths(random, n, (0.5, 0.5))),
        ("share of 5%", 0.1, lambda n: binary_paths(random, n, (0.05, 0.05), share=0.1)),
        ("normal", 0.5, lambda n: value_paths(random, n, "normal")),
        ("exponential", 0.5, lambda n: value_paths(random, n, "exponential")),
        ("exponential", 0.2, lambda n: value_paths(random, n, "exponential", share=0.2)),
        *((SPEND, share, partial(_spend, random, "spend", share)) for share in (0.5, 0.3, 0.2, 0.1)),
        ("the same, 1 in 50 spends", 0.1, partial(_spend, random, "rare spend", 0.1)),
    ]
    for name, share, made in scenarios:
        ours, naive, ready = _told(made, -(-book.runs // 100))
        kept = book.kept(holds=ours <= highest(0.05, book.runs))
        book.line(name, f"{share:.0%}", f"{ours:.1%}", f"{naive:.1%}", f"{ready:.0%}", kept)


def _spend(random: Random, kind: str, share: float, runs: int) -> Paths:
    return value_paths(random, runs, kind, share=share)


def _told(made: Callable[[int], Paths], chunks: int) -> tuple[float, float, float]:
    """How often a difference is told, by ours and by a test made for one look, and the gates are open at the end."""
    some = (made(100) for _ in range(chunks))
    found = [(told(each), naively_told(each), float(each.ready[:, -1].mean())) for each in some]
    ours, naive, ready = (float(np.mean(each)) for each in zip(*found, strict=True))
    return ours, naive, ready
