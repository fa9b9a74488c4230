"""What triggers look at: one model, at one instant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from modelyard.llm import Changes
from modelyard.monitoring import AlertState, MonitorSettings, Window

from ..records import Loop

RowsSince = Callable[[str, datetime, datetime], int | None]
"""How many rows of a model's dataset became known in (since, until]; None when its rows do not say when."""


@dataclass(frozen=True)
class Documents:
    """What became of the documents that a live version rests on; `tried`: the last cycle came to a verdict on them."""

    changes: Changes
    tried: bool = False


ChangedSources = Callable[[Loop], Documents | str]
"""The documents of a model now, or why nobody can tell."""


@dataclass(frozen=True)
class Seen:
    """What is known of a model now.

    `window`: the newest one of the live version; of an earlier version none counts, for what that one met calls for
    nothing. `trained_at`: when the training of the live version began. `firing`: alerts of the deployment.
    """

    now: datetime
    loop: Loop
    deployment: str
    zone: ZoneInfo
    monitor: MonitorSettings | None
    window: Window | None
    firing: Sequence[AlertState]
    trained_at: datetime | None
    rows_since: RowsSince
    changed_sources: ChangedSources
