"""The card as Markdown, for the terminal and for repositories."""

from collections.abc import Iterable, Iterator, Sequence

from modelyard.drawing import as_text
from modelyard.inference import ColumnProfile, NumberProfile
from modelyard.tracking import Evaluation, Gap, GroupTable, Rate, Slice

from ..lineage import lineage_lines
from .records import BuildFacts, Card, DataFacts

_SLICES = 60
_BINS = 12
_IMPORTANT = 12
_SPECIAL = "\\`*_[]<>|#"


def card_markdown(card: Card) -> str:
    """The whole card. What comes from people or data is escaped, so that none of it is read as Markdown or HTML."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    yield f"# Model card: {_text(card.title)}"
    yield ""
    yield from _facts(card)
    for title, part in (
        ("Intended use", _use(card)),
        ("Metrics", _metrics(card)),
        ("Calibration", _calibration(card.evaluation)),
        ("Slices", _slices(card)),
        ("Groups", _groups(card)),
        ("Data", _data(card)),
        ("Training", _training(card)),
        ("Reference profile", _profile(card)),
        ("Bundle", _bundle(card)),
        ("Approvals", _approvals(card)),
        ("Lineage", ["```text", *(each.replace("```", "'''") for each in lineage_lines(card.lineage)), "```"]),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        yield from part
    yield ""
    yield f"Written on {card.written_at[:19]} UTC from what is on record then."


def _facts(card: Card) -> Iterator[str]:
    held = ", ".join(card.aliases) or "none" + (" (archived)" if card.archived else "")
    yield f"- Version {card.number}, registered on {card.created_at[:19]} UTC by {_text(card.created_by)}"
    yield f"- Aliases: {_text(held)}"
    yield f"- Gate: {card.gate}{': ' if card.gate_reasons else ''}{_text('; '.join(card.gate_reasons))}"
    yield f"- Owner: {_text(card.declared.owner) or _unknown(card, 'owner')}"
    if card.description:
        yield f"- Description: {_text(card.description)}"
    for name, value in card.tags.items():
        yield f"- {_text(name)}: {_text(value)}"


def _use(card: Card) -> Iterator[str]:
    yield _text(card.declared.intended_use) or _unknown(card, "intended_use")
    yield ""
    yield "Limits:" if card.declared.limits else f"Limits {_unknown(card, 'limits')}"
    if card.declared.limits:
        yield ""
    yield from (f"- {_text(each)}" for each in card.declared.limits)


def _metrics(card: Card) -> Iterator[str]:
    found = card.evaluation
    if found is None:
        yield f"The evaluation is {_unknown(card, 'evaluation')}."
        if card.metrics:
            yield ""
            yield "As registered, without intervals:"
            yield ""
            rows = ((_named(name), as_text(value)) for name, value in card.metrics.items())
            yield from _table(("metric", "value"), rows)
        return
    what = "values" if found.task == "regression" else f"classes {', '.join(map(_text, found.classes[:20]))}"
    yield f"On {found.rows:,} rows ({what}), with 95% intervals.{' ' if card.judged else ''}{_text(card.judged)}"
    yield ""
    yield from _table(
        ("metric", "value", "from", "to"),
        (
            (_named(name), as_text(value), *(as_text(each) for each in found.intervals.get(name, (None, None))))
            for name, value in found.metrics.items()
        ),
    )


def _calibration(found: Evaluation | None) -> Iterator[str]:
    if found is None or found.calibration is None:
        values = found is not None and found.task == "regression"
        yield "Values have none." if values else "Not measured: there are no probabilities on record."
        return
    for name in ("calibration_error", "brier"):
        if name in found.metrics:
            yield f"- {_named(name)}: {as_text(found.metrics[name])}"
    yield ""
    points = found.calibration
    rows = zip(points.x, points.y, points.counts, strict=True)
    said = ("mean score", "share of positives" if found.task == "binary" else "share right", "rows")
    yield from _table(said, ((as_text(x), as_text(y), f"{count:,}") for x, y, count in list(rows)[:_BINS]))


def _slices(card: Card) -> Iterator[str]:
    found = card.evaluation
    if found is None or not found.slices:
        yield _capital(_unknown(card, "slices") or _unknown(card, "evaluation") or "The rows had none of the columns.")
        yield from _absent(found)
        return
    names = list(dict.fromkeys(name for each in found.slices for name in each.metrics))[:6]
    rows = [_slice_row(each, names) for each in found.slices[:_SLICES]]
    yield from _table(("column", "value", "rows", *map(_named, names)), rows)
    if len(found.slices) > _SLICES:
        yield ""
        yield f"The first {_SLICES} of {len(found.slices)}; --json has them all."
    yield from _absent(found)


def _slice_row(each: Slice, names: Sequence[str]) -> tuple[str, ...]:
    ranged = (_ranged(each.metrics.get(name), each.intervals.get(name)) for name in names)
    return each.column, each.value, f"{each.rows:,}", *ranged


def _absent(found: Evaluation | None) -> Iterator[str]:
    if found is not None and found.absent:
        yield ""
        yield f"Declared, but no column of the rows: {', '.join(map(_text, found.absent))}."


def _groups(card: Card) -> Iterator[str]:
    found = card.evaluation
    if found is None or not found.groups:
        yield _capital(_unknown(card, "groups") or _unknown(card, "evaluation") or "The rows had none of the columns.")
        return
    for place, table in enumerate(found.groups):
        if place:
            yield ""
        yield from _group_table(table, found.rows)


def _group_table(table: GroupTable, rows: int) -> Iterator[str]:
    names = list(table.overall)
    everyone = ("everyone", f"{rows:,}", *(_rate(table.overall[name]) for name in names))
    below = ((each.value, f"{each.rows:,}", *(_rate(each.rates[name]) for name in names)) for each in table.groups)
    yield from _table((table.column, "rows", *map(_named, names)), [everyone, *below])
    yield ""
    yield from (f"- {_gap(each)}" for each in table.gaps)


def _gap(gap: Gap) -> str:
    low = f"{as_text(gap.lowest_value, 3)} ({_text(gap.lowest)})"
    high = f"{as_text(gap.highest_value, 3)} ({_text(gap.highest)})"
    ratio = f", a ratio of {as_text(gap.ratio, 3)}" if gap.ratio is not None else ""
    return f"{_capital(_named(gap.rate))}: from {low} to {high}: {as_text(gap.difference, 3)} apart{ratio}"


def _data(card: Card) -> Iterator[str]:
    if not card.data:
        yield _capital(f"{_unknown(card, 'data')}.")
    for each in card.data:
        yield from _dataset(each)


def _dataset(data: DataFacts) -> Iterator[str]:
    yield f"- {_text(data.label or data.name)}: digest {data.digest[:12]}, {len(data.columns)} columns"
    if data.rows is None:
        yield "  - Profile: not recorded: only dataset versions have one. Keep it: modelyard data version add"
        return
    yield f"  - {data.rows:,} rows, {data.missing or 0:.2%} of all values missing, {data.repeated or 0:,} repeated rows"
    yield from (f"  - {_text(each)}" for each in data.findings)


def _training(card: Card) -> Iterator[str]:
    made = card.training
    if made.pipeline:
        took = f" in {made.seconds:.1f} s of steps" if made.seconds is not None else ""
        yield f"- Pipeline {_text(made.pipeline)}, run {made.run}{took}"
    if made.tracked_run:
        yield f"- MLflow run {_text(made.tracked_run)}"
    changed = " with uncommitted changes" if made.uncommitted else ""
    none = "not recorded: the project stood in no git repository"
    yield f"- Commit {made.commit}{changed}" if made.commit else f"- Commit: {none}"
    told = ", ".join(f"{name}={value}" for name, value in made.params.items())
    yield f"- Parameters: {_text(told) or 'not recorded'}"


def _profile(card: Card) -> Iterator[str]:
    profile = card.profile
    if profile is None:
        yield "Not recorded: a bundle has it."
        return
    yield f"Monitoring compares with {profile.rows:,} rows of {len(profile.columns)} columns."
    by_name = {each.name: each for each in profile.columns}
    important = sorted(profile.importance.items(), key=lambda each: -each[1])[:_IMPORTANT]
    yield ""
    rows = [
        (name, f"{share:.1%}", _values(by_name[name]), f"{by_name[name].nulls:,}")
        for name, share in important
        if name in by_name
    ]
    yield from _table(("column", "importance", "values", "missing"), rows)


def _values(column: ColumnProfile) -> str:
    if isinstance(column, NumberProfile):
        return f"mean {as_text(column.mean)}, deviation {as_text(column.deviation)}"
    return f"{len(column.levels)} levels"


def _bundle(card: Card) -> Iterator[str]:
    build = card.build
    if build is None:
        yield _capital(f"{_unknown(card, 'bundle')}.")
        return
    yield f"- Digest {build.digest}"
    size = "" if build.bytes is None else f", {build.bytes:,} bytes"
    yield f"- {build.runtime}{size}; {len(build.fields)} inputs; scores within {build.tolerance:g} of the original's"
    yield from _costs(build)


def _costs(build: BuildFacts) -> Iterator[str]:
    if build.attempts:
        yield ""
        rows = (
            (
                each.runtime,
                each.converter,
                as_text(each.error, 2),
                ", ".join(f"{count}: {cost:.3g}" for count, cost in each.rows_us.items()) or "-",
                "kept" if not each.why_not else each.why_not,
            )
            for each in build.attempts
        )
        yield from _table(("runtime", "converter", "error", "µs a row, by rows at once", "why"), rows)


def _approvals(card: Card) -> Iterator[str]:
    if not card.approvals:
        yield _capital(f"{_unknown(card, 'approvals')}.")
    for each in card.approvals:
        by = f" by {', '.join(map(_text, each.approved_by))}" if each.approved_by else ""
        missing = f"; {_text(each.missing)}" if each.missing else ""
        yield f"- {_text(each.alias)}: {len(each.approved_by)} of {each.required}{by}{missing}"
    if card.moves:
        yield ""
        rows = ((m.at[:19], m.alias, "to it" if m.came else "away", m.by, m.reason) for m in card.moves)
        yield from _table(("at", "alias", "moved", "by", "reason"), rows)


def _rate(rate: Rate) -> str:
    ends = None if rate.low is None or rate.high is None else (rate.low, rate.high)
    return _ranged(rate.value, ends) + (f" of {rate.rows:,}: too few" if rate.few else "")


def _ranged(value: float | None, ends: tuple[float, float] | None) -> str:
    return as_text(value, 3) + (f" ({as_text(ends[0], 3)} to {as_text(ends[1], 3)})" if ends is not None else "")


def _unknown(card: Card, part: str) -> str:
    return card.unknown.get(part, "")


def _named(metric: str) -> str:
    return metric.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(map(_text, heads))} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_text(each) for each in row)} |"


def _text(text: str) -> str:
    """One line in which nothing is Markdown, HTML or a control character."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return "".join(f"\\{each}" if each in _SPECIAL else each for each in line)
