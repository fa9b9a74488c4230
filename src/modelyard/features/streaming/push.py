"""Pushing rows of a source: into its log, and online."""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from modelyard.core import Clock
from modelyard.features.definitions import Definitions, FeatureView, PushSource
from modelyard.features.errors import InvalidDefinition
from modelyard.features.materialize import Materializer


class Pusher:
    """Puts rows of a push source where its views are read: the log first, then the online store.

    Both may be done again with the same rows. InvalidDefinition for a source that belongs to no project.
    """

    def __init__(self, source: PushSource, definitions: Definitions, materializer: Materializer, clock: Clock) -> None:
        log = source.log
        if log is None:
            raise InvalidDefinition(
                f"The push source '{source.name}' belongs to no project.", remedy="Push with Project(…).features.push."
            )
        self.source = source
        self.views: list[FeatureView] = [view for view in definitions.views.values() if view.source is source]
        self.log = log
        self._materializer = materializer
        self._clock = clock

    def check(self, rows: pa.Table) -> None:
        """InvalidInput for rows that a view cannot read."""
        for view in self.views:
            for _ in replace(view, source=rows).rows().batches():
                pass

    def push(self, rows: pa.Table) -> int:
        """Check rows and take them; how many there are."""
        self.check(rows)
        count = self.log.append(rows, self._clock.micros())
        self.bring_online(rows)
        return count

    def push_messages(self, rows: pa.Table, messages: Sequence[str]) -> int:
        """Take checked rows that came by these messages, each once; how many were new."""
        count = self.log.append_messages(rows, messages, self._clock.micros())
        self.bring_online(rows)
        return count

    def bring_online(self, rows: pa.Table) -> None:
        """Put rows into the online store, unless newer ones are there."""
        for view in self.views:
            if not view.aggregates and len(rows):  # what windows hold is not in these rows alone
                self._materializer.push(view, rows)
