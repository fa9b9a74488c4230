"""Budgets of deployments: the worst case is held before an upstream is asked, and what it came to is settled."""

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path

import msgspec

from modelyard.core import Micros, from_micros, log_event
from modelyard.generation import Upstreams, Usage, cost_micros
from modelyard.journal import Generated, PredictionRecord, read_segment, segments

from ..applications import LoadedApplication
from ..deployments import Deployment
from ..errors import BudgetUnknown, NotReady
from .ledger import Ledger, Reservation

FOLDER = "ledger"
"""Where the ledger stands in the journal's folder."""

_DAY = 86_400_000_000
_PERIODS = {"day": "%Y-%m-%d", "month": "%Y-%m", "ever": "ever"}


class Budgets:
    """The budgets of a server's deployments, in a ledger that is made when the first of them is asked for."""

    def __init__(self, journal: Path | None, *, durable: bool, record: Callable[[PredictionRecord], None]) -> None:
        """`journal`: its folder; `record` puts on record what a killed process left open."""
        self._journal = journal
        self._durable = durable
        self._record = record
        self._owed: dict[str, int] = {}

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, with what killed processes left open settled."""
        assert self._journal is not None  # noqa: S101 - a server that answers chats has a journal
        made = Ledger(self._journal / FOLDER, durable=self._durable)
        if found := made.recover(self._costs, self._unknown):
            log_event("serving", "money held by a server that ended is settled", answers=found)
        return made

    def resume(self) -> None:
        """Settle what was left open, if there ever was a budget here."""
        if self._journal is not None and (self._journal / FOLDER).exists():
            _ = self.ledger

    def hold(
        self,
        deployment: Deployment,
        arm: LoadedApplication,
        most: Usage,
        upstreams: Upstreams,
        record: PredictionRecord,
    ) -> bool:
        """Hold the most that an answer can cost, of whichever target; BudgetSpent when that is too much.

        False where the deployment has no budget. `record` is what goes on record if this process does not live to say.
        """
        limit = deployment.policy.budget_micros
        if limit is None:
            return False
        worst = max(self._worst(deployment, name, model, most, upstreams) for name, model in _targets(arm))
        generated = Generated(
            prompt=arm.prompt_digest,
            input_tokens=most.input,
            output_tokens=most.output,
            told=False,
            cost_micros=worst,
        )
        note = msgspec.structs.replace(record, generated=msgspec.json.encode(generated).decode())
        budget = self.name(deployment, record.event_us)
        self.ledger.reserve(budget, limit, identity_of(record), worst, msgspec.json.encode(note).decode())
        return True

    def settle(self, record: PredictionRecord, cost: int | None) -> None:
        """Count what an answer came to, once it is on record; what the disk refuses now is counted with the next.

        Until then it stays held: an answer that was made is told, and nobody spends its money again.
        """
        self._owed[identity_of(record)] = cost or 0
        try:
            for identity, owed in list(self._owed.items()):
                self.ledger.settle(identity, owed)
                del self._owed[identity]
        except BudgetUnknown as error:
            log_event("serving", "money stays held", answers=len(self._owed), error=error.message)

    @staticmethod
    def name(deployment: Deployment, at: Micros) -> str:
        """The budget that an answer at an instant is of."""
        return f"{deployment.route.deployment}/{_period(deployment.policy.budget_period, at // _DAY)}"

    def close(self) -> None:
        """Close the ledger."""
        if "ledger" in vars(self):
            self.ledger.close()

    def _worst(self, deployment: Deployment, name: str, model: str, most: Usage, upstreams: Upstreams) -> int:
        price = upstreams.get(name).prices.models.get(model)
        if price is None:
            raise NotReady(
                f"'{deployment.route.deployment}' has a budget, and '{model}' of the upstream '{name}' no price.",
                remedy=f"Declare one in modelyard.yaml: upstreams.{name}.prices.",
            )
        return cost_micros(most, price)

    def _costs(self, identities: set[str]) -> Mapping[str, int]:
        """What is on record of these answers."""
        assert self._journal is not None  # noqa: S101 - see `ledger`
        found: dict[str, int] = {}
        for segment in segments(self._journal, "predictions"):
            for record in read_segment(segment).records:
                if isinstance(record, PredictionRecord) and (name := identity_of(record)) in identities:
                    found[name] = msgspec.json.decode(record.generated, type=Generated).cost_micros or 0
        return found

    def _unknown(self, one: Reservation) -> None:
        self._record(msgspec.json.decode(one.note, type=PredictionRecord))


def identity_of(record: PredictionRecord) -> str:
    """What tells an arm's answer from all others."""
    return f"{record.prediction_id}/{record.arm}"


@lru_cache
def _period(kind: str, day: int) -> str:
    """The name of the period that a day since the epoch is of."""
    return from_micros(Micros(day * _DAY)).strftime(_PERIODS[kind])


def _targets(arm: LoadedApplication) -> list[tuple[str, str]]:
    return [(each.upstream, each.model) for each in arm.application.targets]
