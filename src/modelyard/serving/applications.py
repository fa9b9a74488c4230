"""An application of a language model that is loaded: what its bundle says, and its prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from modelyard.generation import (
    APPLICATION_FILE,
    GUARDS_FILE,
    PROMPT_FILE,
    UPSTREAM_RUNTIME,
    Application,
    Judges,
    Message,
    Prompt,
    Retrieval,
    variables_of,
)
from modelyard.inference import BundleDamaged, verify_bundle
from modelyard.routing import Arm

if TYPE_CHECKING:
    from modelyard.guards import Suspects

    from .guarding import Guards
    from .retrieving import Retriever


@dataclass(frozen=True)
class LoadedApplication:
    """An application behind one arm of a deployment."""

    arm: Arm
    application: Application
    prompt: Prompt
    guards: "Guards | None" = None
    retriever: "Retriever | None" = None

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """What its prompt asks for."""
        return variables_of(self.prompt)

    @property
    def prompt_digest(self) -> str:
        """The bundle of its prompt; empty without one."""
        return "" if self.application.prompt is None else self.application.prompt.digest


def load_application(
    folder: Path,
    arm: Arm,
    retriever: "Callable[[Retrieval], Retriever]",
    suspects: "Callable[[Judges], Suspects]",
) -> LoadedApplication | None:
    """The application of a verified bundle; None for a bundle that holds a model. BundleDamaged as `verify_bundle`.

    `retriever` loads what its answers rest on, `suspects` what its guard of injections asks.
    """
    info, _ = verify_bundle(folder, expect=arm.bundle)
    if info.runtime != UPSTREAM_RUNTIME:
        return None
    try:
        application = msgspec.json.decode((folder / APPLICATION_FILE).read_bytes(), type=Application)
        text = (folder / PROMPT_FILE).read_bytes() if application.prompt is not None else None
        prompt = _NO_PROMPT if text is None else msgspec.json.decode(text, type=Prompt)
    except (OSError, msgspec.MsgspecError) as error:
        raise BundleDamaged(
            f"The application in {folder} cannot be read: {error}.",
            context={"folder": str(folder)},
            remedy="Register it again: modelyard llm register",
        ) from error
    resting = None if application.retrieval is None else retriever(application.retrieval)
    asked = None if application.judges is None else suspects(application.judges)
    return LoadedApplication(arm, application, prompt, _guards(folder, application, asked), resting)


def _guards(folder: Path, application: Application, suspects: "Suspects | None") -> "Guards | None":
    """The guards of an application that has some: it alone pays for what they import."""
    if application.guards is None:
        return None
    from .guarding import UNREADABLE, Guards  # noqa: PLC0415 - see above

    try:
        guards = Guards.read((folder / GUARDS_FILE).read_bytes(), suspects)
    except (OSError, *UNREADABLE) as error:
        raise BundleDamaged(
            f"The guards in {folder} cannot be read: {error}.",
            context={"folder": str(folder)},
            remedy="Register the application again: modelyard llm register",
        ) from error
    if guards.digest == application.guards:
        return guards
    raise BundleDamaged(
        f"The guards in {folder} are not those that the application names.",
        context={"folder": str(folder), "guards": guards.digest},
        remedy="Register the application again: modelyard llm register",
    )


_NO_MESSAGES: tuple[Message, ...] = ()
_NO_PROMPT = Prompt(_NO_MESSAGES)
