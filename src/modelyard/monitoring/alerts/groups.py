"""Groups: alerts of one deployment and severity are told together, not one by one."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from modelyard.storage import Snapshot, Transaction

from .records import AlertSeverity, AlertState
from .settings import AlertSettings

GROUP = "alert-group"
LISTED = 20
"""So many alerts are told each by itself; of more only how many there are."""

Asks = Callable[[AlertState], bool]
"""A question about an alert."""


class Group(msgspec.Struct, frozen=True):
    """What is to be told of a deployment and severity (`waiting`, since when), and what receivers know to fire."""

    deployment: str
    severity: AlertSeverity
    waiting: tuple[AlertState, ...] = ()
    waiting_since: datetime | None = None
    sent_at: datetime | None = None
    told: tuple[AlertState, ...] = ()

    @property
    def key(self) -> str:
        """The group's name."""
        return f"{self.deployment}/{self.severity.value}"


class Notice(msgspec.Struct, frozen=True):
    """What receivers are told: what fired, what resolved, and with `repeat` what still fires.

    Each list has at most 20; `more_fired` and `more_resolved` say how many are left out.
    """

    deployment: str
    severity: AlertSeverity
    at: datetime
    fired: tuple[AlertState, ...] = ()
    resolved: tuple[AlertState, ...] = ()
    repeat: bool = False
    more_fired: int = 0
    more_resolved: int = 0
    project: str = ""


def wait(tx: Transaction, states: Iterable[AlertState], now: datetime) -> None:
    """Let what fired or resolved wait to be told, each with its group."""
    grouped: dict[tuple[str, AlertSeverity], list[AlertState]] = {}
    for state in states:
        grouped.setdefault((state.deployment, state.alert.severity), []).append(state)
    for (deployment, severity), some in grouped.items():
        group = _stored(tx, Group(deployment, severity))
        save(tx, replace(group, waiting=(*group.waiting, *some), waiting_since=group.waiting_since or now))


def _stored(view: Snapshot, group: Group) -> Group:
    document = view.get(GROUP, group.key)
    return group if document is None else msgspec.convert(document.body, Group)


def save(tx: Transaction, group: Group) -> None:
    """Write a group down."""
    tx.put(GROUP, group.key, msgspec.to_builtins(group))


def groups(view: Snapshot) -> list[Group]:
    """Every group."""
    return [msgspec.convert(each.body, Group) for each in view.scan(GROUP)]


def tell(
    group: Group, now: datetime, settings: AlertSettings, silenced: Asks, acknowledged: Asks
) -> tuple[Group, Notice | None]:
    """What a group has to tell now, if it is time, and the group once that is told.

    What is silenced waits, and is forgotten if it resolves before anybody was told. Nobody is told that something
    resolved who was not told that it fired; who was, is told even under a silence.
    """
    if group.waiting and now >= _due(group, settings):
        return _told(group, now, silenced)
    if not group.told or group.sent_at is None or now < group.sent_at + settings.repeat_interval:
        return group, None
    still = [each for each in group.told if not silenced(each) and not acknowledged(each)]
    if not still:
        return group, None
    return replace(group, sent_at=now), _notice(group, now, still, [], repeat=True)


def _due(group: Group, settings: AlertSettings) -> datetime:
    since = group.waiting_since
    assert since is not None  # noqa: S101 - whatever waits, waits since then
    first = since + settings.group_wait
    return first if group.sent_at is None else max(first, group.sent_at + settings.group_interval)


def _told(group: Group, now: datetime, silenced: Asks) -> tuple[Group, Notice | None]:
    known = {_episode(each): each for each in group.told}
    over = {_episode(each) for each in group.waiting if each.until is not None}
    fired: list[AlertState] = []
    resolved: list[AlertState] = []
    held: list[AlertState] = []
    for state in group.waiting:
        if state.until is not None:
            resolved += [state] if known.pop(_episode(state), None) is not None else []
        elif not silenced(state):
            known[_episode(state)] = state
            fired.append(state)
        elif _episode(state) not in over:
            held.append(state)
    later = replace(
        group,
        waiting=tuple(held),
        waiting_since=group.waiting_since if held else None,
        told=tuple(known.values()),
        sent_at=now if fired or resolved else group.sent_at,
    )
    return later, _notice(group, now, fired, resolved) if fired or resolved else None


def _notice(
    group: Group, now: datetime, fired: list[AlertState], resolved: list[AlertState], *, repeat: bool = False
) -> Notice:
    more_fired, more_resolved = (max(0, len(each) - LISTED) for each in (fired, resolved))
    return Notice(
        group.deployment,
        group.severity,
        now,
        tuple(fired[:LISTED]),
        tuple(resolved[:LISTED]),
        repeat,
        more_fired,
        more_resolved,
    )


def _episode(state: AlertState) -> tuple[str, int]:
    return state.fingerprint, state.episode


def title_of(notice: Notice) -> str:
    """One line that says what happened, for receivers that show one."""
    fired, resolved = len(notice.fired) + notice.more_fired, len(notice.resolved) + notice.more_resolved
    counts = [f"{count} {word}" for count, word in ((fired, _word(notice)), (resolved, "resolved")) if count]
    names = _names((*notice.fired, *notice.resolved))
    where = notice.deployment or notice.project
    return f"[{notice.severity.value}] {where}: {', '.join(counts)} ({names})"


def text_of(notice: Notice) -> str:
    """The same at length: a line an alert, and what to do about it."""
    lines = [f"{_word(notice)}: {_line(each)}" for each in notice.fired]
    lines += [f"resolved: {_line(each)}" for each in notice.resolved]
    if more := notice.more_fired + notice.more_resolved:
        lines.append(f"and {more} more: modelyard alert list")
    return "\n".join(lines)


def _word(notice: Notice) -> str:
    return "still firing" if notice.repeat else "firing"


def _line(state: AlertState) -> str:
    until = f" until {state.until}" if state.until else ""
    why = f" ({state.why})" if state.why else ""
    runbook = f" -> {state.runbook}" if state.runbook and not state.until else ""
    return f"{state.alert.message} Since {state.since}{until}{why}, {state.fingerprint}{runbook}"


def _names(states: Iterable[AlertState]) -> str:
    names = sorted({each.alert.name for each in states})
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
