"""What a scheduler calls for a project again and again, whichever scheduler it is."""

from dataclasses import dataclass

from .records import Subject


@dataclass(frozen=True)
class Scheduled:
    """A command behind `modelyard`, when it is due (cron, UTC), and what it does. It may be called twice at once."""

    name: str
    cron: str
    words: tuple[str, ...]
    does: str


def steps_of(subject: Subject) -> list[Scheduled]:
    """The loop's single step, and features brought to the online store where there are views."""
    loop = Scheduled(
        "loop",
        "*/15 * * * *",
        ("retrain", "tick"),
        "Labels, monitors, rollouts and the retraining loop, as far as they go now.",
    )
    features = Scheduled(
        "materialize",
        "7,22,37,52 * * * *",
        ("features", "materialize", "--incremental"),
        "Feature values brought to the online store.",
    )
    return [loop, features] if subject.views else [loop]
