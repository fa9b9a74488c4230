"""A crontab for a machine without `modelyard up`: the loop's single step, and features."""

from ..documents import fill
from ..records import Files, Subject
from ..scheduled import steps_of


def render(subject: Subject) -> Files:
    """`crontab`, to be put after what the user's own has."""
    return {"crontab": fill("crontab.j2", {"project": subject.project, "steps": steps_of(subject)})}
