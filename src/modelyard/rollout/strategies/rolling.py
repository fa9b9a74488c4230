"""Rolling: one server after another takes the candidate for all that it is asked."""

from dataclasses import dataclass
from typing import Literal

from ..records import Plan
from .canary import too_early
from .contract import Decision, Facts


@dataclass(frozen=True)
class Rolling:
    """Each server takes it when the one before has had it for a step's time; the first when live was watched so long.

    A server loads it, replays its golden rows and measures it before it answers anybody, and live stays loaded beside
    it for what it fails. One that cannot load it, or is heard of no more, takes it back everywhere, and so do failures
    that are more frequent than live's by either arm's own count: what share of the traffic comes to a server is the
    balancer's doing. Entities do not stay on their arm.
    """

    arm: str = "rolling"
    role: Literal["canary"] = "canary"
    columns: tuple[str, ...] = ()
    by_server: bool = True

    def shares(self, plan: Plan) -> tuple[float, ...]:  # noqa: ARG002 - the same whatever the plan
        """One step, which begins with no server."""
        return (0.0,)

    def judge(self, facts: Facts) -> Decision:
        """The next server, or the takeover once all have had it for their time."""
        taken = _taken(facts)
        behind = [each for each in facts.waiting if each in taken]
        left = [each for each in facts.waiting if each not in taken]
        missing = (*too_early(facts), *(f"{each} to load it" for each in behind[:5]))
        if missing:
            return Decision("hold", missing=missing)
        if left:
            return Decision("take", kept={"servers": [*taken, left[0]]})
        lacking = self.lacks(facts)
        return Decision("hold", missing=lacking) if lacking else Decision("promote", self._reason(facts))

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """Servers that have taken it: one at least, and no other."""
        if facts.waiting:
            names = ", ".join(facts.waiting[:5]) + (" and more" if len(facts.waiting) > 5 else "")
            return (f"{len(facts.waiting)} servers to take it: {names}",)
        return () if facts.loaded else ("a server that has taken it",)

    def _reason(self, facts: Facts) -> str:
        return f"{facts.loaded} {'server has' if facts.loaded == 1 else 'servers have'} taken it, one after the other"


def _taken(facts: Facts) -> tuple[str, ...]:
    return tuple(facts.rollout.kept.get("servers", ()))
