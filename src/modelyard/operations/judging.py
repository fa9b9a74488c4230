"""Operations on answers that people judge: queues of them, the next one for me, labels, agreement.

What somebody is given to judge never says where it comes from: neither do these operations, but for `llm labels`, which
names items as the evaluation did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from modelyard.access import Permission
from modelyard.core import InvalidInput, NotFound, check_text
from modelyard.llm import LABELS, MOST_ITEMS, Item, Judged, Shown, read_items, sample_log
from modelyard.llm.queues import COLUMNS
from modelyard.wiring import Project

from .contract import Call, Nothing, Option, operation
from .given import LoggedGiven, visible
from .times import instant_of

_QUEUE = "Queue, as `llm queues` lists it."


@dataclass(frozen=True)
class QueueAnswers:
    """Answers to be judged, and the queue they go into."""

    name: Annotated[str, Option("Queue; made where there is none.")]
    file: Annotated[Path | None, Option("Answers as JSON lines: item, question, answer, …", positional=True)] = None
    from_log: Annotated[str | None, Option("Instead: answers of this deployment, where their texts were kept.")] = None
    sample: Annotated[int, Option("With --from-log: at most so many, drawn at random.")] = 100
    seed: Annotated[int, Option("With --from-log: another one draws others.")] = 0
    since: Annotated[str | None, Option("With --from-log: from this time on; ISO 8601, or how long ago.")] = None
    until: Annotated[str | None, Option("With --from-log: before this time.")] = None
    version: Annotated[str | None, Option("With --from-log: only answers of this version.")] = None


@dataclass(frozen=True)
class NextAnswer:
    """Which answer I am to judge."""

    name: Annotated[str, Option(_QUEUE, positional=True)]
    item: Annotated[str | None, Option("This one, rather than the next that I have not labelled.")] = None


@dataclass(frozen=True)
class LabelAnswer:
    """What I say of an answer."""

    name: Annotated[str, Option(_QUEUE, positional=True)]
    item: Annotated[str, Option("Item, as `llm next` names it.", positional=True)]
    label: Annotated[str, Option(f"{', '.join(LABELS[:-1])} or {LABELS[-1]}.", positional=True)]
    note: Annotated[str, Option("Why; it goes on record.")] = ""


@dataclass(frozen=True)
class OneQueue:
    """A queue."""

    name: Annotated[str, Option(_QUEUE, positional=True)]


@dataclass(frozen=True)
class RemoveQueue:
    """A queue to remove."""

    name: Annotated[str, Option(_QUEUE, positional=True)]
    reason: Annotated[str, Option("Why; it goes on record.")] = ""


@operation("llm", "queue", Permission.DEVELOP, local=True)
def queue_answers(call: Call[QueueAnswers]) -> Any:
    """Put answers into a queue for people to judge: those of an evaluation, or a sample of the prediction log."""
    given, project = call.input, call.project
    if (given.file is None) == (given.from_log is None):
        raise InvalidInput("Nothing says which answers, or two things do.", remedy="Give a FILE or --from-log.")
    counted: dict[str, int] = {}
    if given.file is not None:
        items: Sequence[Item] = read_items(given.file)
        source = given.file.name
    else:
        items, counted = _logged(project, given)
        source = f"log of {given.from_log}"
    added = project.queues.add(given.name, items, source, call.principal)
    return {"queue": given.name, "items": added.items, "new": added.new, **counted}


@operation("llm", "unqueue", Permission.OPERATE)
def remove_queue(call: Call[RemoveQueue]) -> Any:
    """Remove a queue with its answers and what people said of them; the audit record keeps who said what."""
    given = call.input
    removed = call.project.queues.remove(given.name, check_text("reason", given.reason), call.principal)
    return {"queue": given.name, "removed": removed}


@operation("llm", "queues", Permission.READ)
def list_queues(call: Call[Nothing]) -> Any:
    """Queues of answers to be judged, and how far each person is."""
    found = call.project.queues.progress()
    return [
        {
            "queue": each.name,
            "created_at": each.created_at,
            "items": each.items,
            "people": {person.by: person.labelled for person in each.people},
            "mine": next((person.labelled for person in each.people if person.by == call.principal.name), 0),
        }
        for each in found
    ]


@operation("llm", "next", Permission.READ)
def next_answer(call: Call[NextAnswer]) -> Any:
    """The next answer for me to judge, in an order of my own; nothing says whose it is."""
    given, queues = call.input, call.project.queues
    if given.item is None:
        found = queues.next(given.name, call.principal)
    else:
        found = queues.show(given.name, given.item, call.principal)
    (progress,) = queues.progress(given.name)
    return {
        "queue": given.name,
        "item": None if found is None else _told(call, found),
        **_how_far(queues.judged(given.name, call.principal), progress.items),
    }


@operation("llm", "label", Permission.DEVELOP)
def label_answer(call: Call[LabelAnswer]) -> Any:
    """Say what I think of an answer: pass, fail or skip; said again it is corrected, and both are on record."""
    given, queues = call.input, call.project.queues
    label, new = queues.label(given.name, given.item, given.label, call.principal, given.note.replace("\r\n", "\n"))
    (progress,) = queues.progress(given.name)
    how_far = _how_far(queues.judged(given.name, call.principal), progress.items)
    return {"queue": given.name, **msgspec.to_builtins(label), "unchanged": not new, **how_far}


@operation("llm", "agreement", Permission.READ)
def agreement(call: Call[OneQueue]) -> Any:
    """How far people agree: Cohen's kappa of every two with its interval, and what most say of each item."""
    found = call.project.queues.agreement(call.input.name)
    told = msgspec.to_builtins(found)
    return {"queue": call.input.name, **told, "majority": found.majority}


@operation("llm", "labels", Permission.READ)
def labels_of(call: Call[OneQueue]) -> Any:
    """What people said of each item, skips left out, by the names that items have in their evaluation or log."""
    return [
        {"item": item, "label": each.label, "by": each.by}
        for item, each in call.project.queues.labels(call.input.name)
        if each.label != "skip"
    ]


def _logged(project: Project, given: QueueAnswers) -> tuple[list[Item], dict[str, int]]:
    """A sample of a deployment's answers, and how many there were."""
    if not 1 <= given.sample <= MOST_ITEMS:
        raise InvalidInput(f"--sample is {given.sample}.", code="INVALID_VALUE", remedy=f"Give 1 to {MOST_ITEMS}.")
    deployment, now = str(given.from_log), project.clock.now()
    if deployment not in project.log.deployments():
        project.rollouts.settings(deployment)
    with project.log.batches(
        deployment,
        start=instant_of(given.since, now),
        end=instant_of(given.until, now),
        version=given.version,
        answered=True,
        columns=list(COLUMNS),
        features=(),
    ) as batches:
        found = sample_log(batches, deployment, given.sample, given.seed, LoggedGiven(project, deployment))
    if not found.items:
        raise NotFound(
            f"The log of '{deployment}' has no text that could be judged: {found.answers} answers of language models.",
            code="NO_TEXT",
            context={"deployment": deployment, "answers": found.answers},
            remedy="Let texts be kept from now on: deployments.NAME.serving.log_text: redacted (or full).",
        )
    return found.items, {"answers": found.answers, "without_text": found.without_text}


def _told(call: Call[Any], shown: Shown) -> dict[str, Any]:
    """An item as who judges may see it; `hidden` counts texts that this person may not read, or nobody any more."""
    given = visible(call.project, shown.given, call.principal)
    return {
        "item": shown.ref,
        "question": shown.question,
        "answer": shown.answer,
        "chunks": [*shown.chunks, *given],
        "hidden": len(shown.given) - len(given),
        "expected": shown.expected,
        "mine": msgspec.to_builtins(shown.mine),
    }


def _how_far(judged: Judged, items: int) -> dict[str, Any]:
    counts = {each: judged.counts.get(each, 0) for each in LABELS}
    return {"items": items, "labelled": judged.labelled, "counts": counts, "last": judged.last or None}
