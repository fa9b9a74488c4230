"""Ours against each configuration of each peer; the best of them sets the figure."""

import itertools
import math
from dataclasses import asdict, dataclass
from typing import Any

from ...environments import NotInstalled
from ...figures import Figure, Target
from ..bench import Bench
from ..closed import NoLoad
from ..ours import Ours
from ..peers import Peer
from ..processes import NotStarted
from ..records import Cell, Endpoint, Load, ModelName
from .against_echo import echoing

TAIL = Target("<=", 1 / 3)


@dataclass(frozen=True)
class Compared:
    """Ours and one configuration of a peer, measured in turns; `why_not` when the peer could not be."""

    peer: Peer
    configuration: str = ""
    ours: Load | None = None
    theirs: Load | None = None
    why_not: str = ""

    @property
    def label(self) -> str:
        return f"{self.peer.name} ({self.configuration})" if self.configuration else self.peer.name

    @property
    def ratio(self) -> float | None:
        """Requests a second of ours over theirs; None when they did not answer."""
        if self.ours is None or self.theirs is None or not self.theirs.requests_per_s:
            return None
        return self.ours.requests_per_s / self.theirs.requests_per_s

    @property
    def evidence(self) -> dict[str, Any]:
        """Both loads, for the results file."""
        return {"ours": self.ours and asdict(self.ours), "theirs": self.theirs and asdict(self.theirs)}

    @property
    def tail(self) -> float | None:
        """Our p99 over their p50."""
        if self.ours is None or self.theirs is None or not self.theirs.p50_ms:
            return None
        return self.ours.p99_ms / self.theirs.p50_ms


def forest_one_row(bench: Bench) -> list[Figure]:
    """A random forest, one row a request, 64 connections."""
    return _figures(bench, Cell("forest", 1, 64), Target(">=", 12), TAIL)


def glance(bench: Bench) -> list[Figure]:
    """The same without a target."""
    return _figures(bench, Cell("forest", 1, 64), None, None)


def logistic_one_row(bench: Bench) -> list[Figure]:
    """A logistic pipeline, one row a request, 64 connections."""
    return _figures(bench, Cell("logistic", 1, 64), Target(">=", 8), None)


def xgboost_one_row(bench: Bench) -> list[Figure]:
    """XGBoost, one row a request, 64 connections: reported."""
    return _figures(bench, Cell("xgboost", 1, 64), None, None)


def hundred_rows(bench: Bench) -> list[Figure]:
    """A hundred rows a request, 16 connections; requests a second times rows."""
    return _figures(bench, Cell("forest", 100, 16), Target(">=", 3), None)


def grid(bench: Bench) -> list[Figure]:
    """Every model, 1 and 100 rows, 1, 16 and 64 connections: reported."""
    models: tuple[ModelName, ...] = ("forest", "xgboost", "logistic")
    cells = [Cell(*each) for each in itertools.product(models, (1, 100), (1, 16, 64))]
    return [figure for cell in cells for figure in _figures(bench, cell, None, None)]


def _figures(bench: Bench, cell: Cell, target: Target | None, tail: Target | None) -> list[Figure]:
    found: list[Compared] = []
    with bench.ours(cell.model) as ours:
        for peer in bench.options.peers:
            found += _peer(bench, peer, cell, ours)
        lines = [_line(cell, each) for each in found]
        measured = [each for each in found if each.ratio is not None]
        if not measured:
            return [*lines, Figure("peers", f"{cell}: best peer", None, target=target, note="no peer was measured")]
        best = min(measured, key=lambda each: each.ratio or math.inf)
        return lines if target is None else lines + _decide(bench, cell, ours, best, target, tail)


def _decide(bench: Bench, cell: Cell, ours: Ours, best: Compared, target: Target, tail: Target | None) -> list[Figure]:
    """Measure the best configuration afresh, for the least of many noisy ratios flatters it; and what could be had."""
    end = ours.endpoint(cell.rows)
    bench.say(f"{cell}: {best.label} once more, and the echo")
    with (
        bench.peer(best.peer, best.configuration, cell.model) as port,
        echoing(bench, end, ours.workers) as echo,
    ):
        theirs = best.peer.endpoint(port, cell.rows)
        again = Compared(best.peer, best.configuration, *bench.alternate(end, theirs, connections=cell.connections))
        most = Compared(best.peer, best.configuration, *bench.alternate(echo, theirs, connections=cell.connections))
    note = f"{best.label}; ours with {ours.workers} worker(s)"
    lines = [Figure("peers", f"{cell}: best peer", again.ratio, target=target, note=note, evidence=again.evidence)]
    if tail is not None:
        lines.append(Figure("peers", f"{cell}: our p99 / its p50", again.tail, target=tail, note=best.label))
    note = "the echo against the best peer: no server on this stack can have more"
    return [*lines, Figure("peers", f"{cell}: ceiling", most.ratio, note=note, evidence=most.evidence)]


def _peer(bench: Bench, peer: Peer, cell: Cell, ours: Ours) -> list[Compared]:
    if cell.model not in peer.models:
        return [Compared(peer, why_not=f"it does not serve '{cell.model}'")]
    bench.say(f"{peer.name}: installing where it is not yet")
    try:
        peer.install()
    except NotInstalled as error:
        return [Compared(peer, why_not=f"cannot be installed: {error}")]
    return [_compare(bench, peer, each, cell, ours.endpoint(cell.rows)) for each in peer.configurations]


def _compare(bench: Bench, peer: Peer, configuration: str, cell: Cell, ours: Endpoint) -> Compared:
    bench.say(f"{cell}: {peer.name} ({configuration})")
    try:
        with bench.peer(peer, configuration, cell.model) as port:
            first, second = bench.alternate(ours, peer.endpoint(port, cell.rows), connections=cell.connections)
    except (NotStarted, NoLoad) as error:
        return Compared(peer, configuration, why_not=str(error))
    return Compared(peer, configuration, first, second)


def _line(cell: Cell, compared: Compared) -> Figure:
    note = compared.why_not
    if compared.ours is not None and compared.theirs is not None:
        errors = {"ours": compared.ours.errors, "theirs": compared.theirs.errors}
        note = ", ".join(f"{count} errors of {whose}" for whose, count in errors.items() if count)
    return Figure("peers", f"{cell}: {compared.label}", compared.ratio, note=note, evidence=compared.evidence)
