"""What plain MLflow clients changed: followed where the version may, shown as ours again where it may not."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelyard.access import SYSTEM, Principal, Role
from modelyard.audit import Intents
from modelyard.core import Conflict, Forbidden, InvalidInput, ModelyardError, NotFound, Unavailable, log_event
from modelyard.registry import OutsideChange, OutsidePolicy, Projector, Registry
from modelyard.storage import Transaction

from .promotion import ALIAS_CHANGE, Promotions

EXTERNAL = Principal("mlflow", (Role.OPERATOR,), "external")
"""Who acts when a plain MLflow client moved an alias or stage: MLflow does not say who it was."""

_REASON = "moved by a plain MLflow client"


class Outside(msgspec.Struct, frozen=True):
    """One change made elsewhere, and what became of it."""

    model: str
    change: str
    followed: bool
    why: str = ""


class OutsideChanges:
    """Looks at what MLflow shows. Two looks at once do no harm: what one has adopted, the other finds done."""

    def __init__(
        self,
        intents: Intents,
        registry: Registry,
        projector: Projector,
        promotions: Promotions,
        policy: OutsidePolicy,
    ) -> None:
        self._intents = intents
        self._registry = registry
        self._projector = projector
        self._promotions = promotions
        self._policy = policy

    def notice(self, name: str | None = None) -> list[Outside]:
        """Look at one model, or at all, and act on what others changed.

        Nothing is asked of MLflow when its file is as it was at the last look, and nothing about models of which the
        file says what it should. MLflow that does not answer is no error here: the next look will see.
        """
        try:
            return self._notice(name)
        except Unavailable as error:
            log_event("rollout", "MLflow could not be looked at", error=str(error))
            return []

    def _notice(self, name: str | None) -> list[Outside]:
        if self._projector.unseen(name) is None and not self._intents.pending():
            return []
        self._intents.reconcile()
        mark = self._projector.unseen(name)
        models = [name] if name is not None else self._registry.names()
        busy = {str(each.payload.get("model")) for each in self._intents.pending()}
        free = [model for model in models if model not in busy]
        found = [each for model in self._projector.suspects(free) for each in self._look(model)]
        if mark is not None and not found and not busy:
            self._projector.seen(name, mark)
        return found

    def _look(self, model: str) -> list[Outside]:
        deciding = self._promotions.deciding(model)
        changes = self._projector.changes(model, deciding)
        if not changes:
            if self._projector.behind(model):
                self._show_ours(model, deciding, [], {"detail": "MLflow is shown what is decided here"})
            return []
        return [self._act(model, each, deciding) for each in changes]

    def _act(self, model: str, change: OutsideChange, deciding: Sequence[str]) -> Outside:
        why = "security.outside_changes is refuse" if self._policy == "refuse" else self._follow(model, change)
        if why:
            strays = [change.to] if change.how == "as a stage" and change.to is not None else []
            told = {"refused": str(change), "why": why[:1000]}
            claimed = [*deciding, change.alias] if change.alias else deciding
            self._show_ours(model, claimed, strays, told, action="model.outside_refused")
        return Outside(model, str(change), not why, why)

    def _follow(self, model: str, change: OutsideChange) -> str:
        """Do here what was done there; returns why not, if it may not be."""
        try:
            self._carry_out(model, change)
        except (Conflict, Forbidden, InvalidInput, NotFound) as error:
            return _said(error)
        return ""

    def _carry_out(self, model: str, change: OutsideChange) -> None:
        if change.what == "archive":
            number = change.before or change.to or 0
            self._promotions.archive(model, number, EXTERNAL, archived=change.before is not None)
        elif change.to is None:
            self._promotions.remove_alias(model, change.alias, EXTERNAL, _REASON)
        else:
            self._promotions.set_alias(model, change.to, change.alias, EXTERNAL, _REASON)

    def _show_ours(
        self, model: str, claimed: Sequence[str], strays: Sequence[int], told: Mapping[str, str], *, action: str = ""
    ) -> None:
        payload: dict[str, Any] = {"model": model, "claimed": sorted(set(claimed)), "strays": list(strays), **told}

        def decide(tx: Transaction) -> Mapping[str, Any]:  # noqa: ARG001 - nothing is decided anew
            return {}

        who = EXTERNAL if action else SYSTEM
        self._intents.carry_out(ALIAS_CHANGE, model, payload, who, decide, action=action)


def _said(error: ModelyardError) -> str:
    return error.message
