"""Blue-green: a second full arm, loaded and warm without traffic, then all of the traffic at once."""

from dataclasses import dataclass
from typing import Literal

from ..records import Plan
from .canary import too_early
from .contract import Decision, Facts


@dataclass(frozen=True)
class BlueGreen:
    """Every server has loaded the candidate and proved it on its golden rows; nobody has been answered by it.

    There is no traffic to compare, so it switches on that alone, and the version before stays loaded for an instant
    return. Where a candidate must prove itself on requests, a canary is the strategy.
    """

    arm: str = "green"
    role: Literal["canary"] = "canary"
    columns: tuple[str, ...] = ()
    by_server: bool = False

    def shares(self, plan: Plan) -> tuple[float, ...]:  # noqa: ARG002 - the same whatever the plan
        """One step without traffic."""
        return (0.0,)

    def judge(self, facts: Facts) -> Decision:
        """The switch, when every server is warm and the time has passed."""
        missing = (*too_early(facts), *self.lacks(facts))
        return Decision("hold", missing=missing) if missing else Decision("promote", self._reason(facts))

    def lacks(self, facts: Facts) -> tuple[str, ...]:
        """Servers that have it loaded: one at least, and no other."""
        if facts.waiting:
            names = ", ".join(facts.waiting[:5]) + (" and more" if len(facts.waiting) > 5 else "")
            return (f"{len(facts.waiting)} servers to load it: {names}",)
        return () if facts.loaded else ("a server that has it loaded",)

    def _reason(self, facts: Facts) -> str:
        return f"it is loaded and warm at {facts.loaded} {'server' if facts.loaded == 1 else 'servers'}"
