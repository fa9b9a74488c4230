"""Explanations of answers, beside the event loop: an explanation costs many times its prediction."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .arms import LoadedArm
from .dataplane import Answer
from .deployments import Deployment
from .errors import BadRequest, Overloaded

MOST_WAITING = 1000
"""Rows that may wait for their explanations, except of one request alone; who comes beyond it is sent away."""

Then = Callable[[list[dict[str, Any]] | Exception], None]
"""Takes an explanation a row, or the error."""


class Explainer:
    """Explains answers with the bundles that gave them, one request at a time. Use inside one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self._waiting = 0

    def admit(self, deployment: Deployment, rows: int) -> None:
        """Take room for rows, before they are predicted; refuse what could not be explained. `leave` gives it back."""
        if self._waiting and self._waiting + rows > MOST_WAITING:
            raise Overloaded(f"{self._waiting} rows wait to be explained.", remedy="Try again in a second.")
        if not deployment.live.bundle.explains:
            raise BadRequest(
                f"Version {deployment.live.arm.version} of '{deployment.route.deployment}' gives no explanations.",
                context={"path": "explain"},
                remedy="Ask without ?explain=true. modelyard bundle show says why.",
            )
        self._waiting += rows

    def leave(self, rows: int) -> None:
        """Give back the room of rows that are explained, or never will be."""
        self._waiting -= rows

    def explain(self, deployment: Deployment, answers: Sequence[Answer], then: Then) -> None:
        """Explain answers that have been given to rows admitted; `then` is called on the loop."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, _explain, deployment.arms, answers)

        def done(future: "asyncio.Future[list[dict[str, Any]]]") -> None:
            self.leave(len(answers))
            if future.cancelled():
                return
            error = future.exception()
            then(error if isinstance(error, Exception) else future.result())

        work.add_done_callback(done)


def _explain(arms: Mapping[str, LoadedArm], answers: Sequence[Answer]) -> list[dict[str, Any]]:
    explained: dict[str, dict[str, Any]] = {}
    for name in {each.arm for each in answers}:
        mine = [each for each in answers if each.arm == name]
        explained |= _of_arm(arms[name], mine)
    return [explained[each.prediction_id] for each in answers]


def _of_arm(arm: LoadedArm, answers: Sequence[Answer]) -> dict[str, dict[str, Any]]:
    """By prediction id: the scale, the base, and what each field added to it; lists of them for several classes."""
    bundle = arm.bundle
    found = bundle.contributions(bundle.encode([each.features for each in answers]).matrix)
    names = bundle.info.signature.names
    single = found.base.shape[1] == 1
    base, values = (np.squeeze(each, axis=-1) if single else each for each in (found.base, found.values))
    return {
        answer.prediction_id: {
            "scale": found.scale,
            "base": base[at].tolist(),
            "contributions": dict(zip(names, values[at].tolist(), strict=True)),
        }
        for at, answer in enumerate(answers)
    }
