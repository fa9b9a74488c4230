"""What the processes of a server use, as `process_*` metrics."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from prometheus_client import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_OF_ALL = {"process_start_time_seconds": min, "process_max_fds": min}


class Processes(Collector):
    """The `process_*` metrics of several processes as one: sums, the first start and the least limit.

    Processor time falls when a worker ends and starts again, which Prometheus takes for a restart of the counter.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids

    def collect(self) -> Iterable[Metric]:
        """What they use now; a process that has just ended is left out."""
        found: dict[str, list[Metric]] = {}
        for pid in self._pids():
            for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                found.setdefault(family.name, []).append(family)
        for families in found.values():
            yield _together(families)


def _together(families: Sequence[Metric]) -> Metric:
    first = families[0]
    values = [each.samples[0].value for each in families]
    made = Metric(first.name, first.documentation, first.type)
    join = _OF_ALL.get(first.samples[0].name, sum)
    made.add_sample(first.samples[0].name, {}, float(join(values)))
    return made
