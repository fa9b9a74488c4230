"""Scoring files of any size: part by part on all processors, and where it was cut off it goes on."""

import os
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow as pa

from modelyard.core import Clock, Micros, canonical_json, digest_of, to_micros
from modelyard.inference import Bundle

from .answers import check_columns
from .errors import JobCutOff, NotScorable, OutputTaken
from .records import BatchDone, BatchJob, Enrichment, PartDone, Plan, Progress, Watch, part_name
from .scorer import Part, PartScorer, scorer_of
from .source import Source, open_source
from .spread import PARTS_A_TASK, Order, Spread
from .work import MANIFEST, PLAN, Work, alone, exists, is_own, open_work, write_whole
from .writing import Format, check_writable, format_of, join_parts

PART_ROWS = 250_000
"""So many rows are read, scored and written together, at most."""

_LOGGED_ROWS = 50_000
"""Rows at most where each goes on record: records are objects, and take more memory than columns."""

_PART_CELLS = 5_000_000
"""And so many values."""

_JSON = msgspec.json.Encoder()


def score_batch(
    job: BatchJob,
    bundle: Bundle,
    *,
    clock: Clock,
    version: str | None = None,
    enrich: Enrichment | None = None,
    threads: int | None = None,
    spread: Spread | None = None,
    part_rows: int = PART_ROWS,
    watch: Watch = lambda _: None,
) -> BatchDone:
    """Score files and write them with their answers: a file that appears whole, or a folder of parts with a manifest.

    Parts are scored side by side by `threads` (by default one a processor); memory holds one more than these, and does
    not grow with the input. With `spread` they are tasks of an executor instead, on whichever machines; input and
    output must be reachable from all of them. Finished parts lie in
    `.OUTPUT.scoring` beside the output (of a URL in `OUTPUT.scoring/`, or in the folder itself), each written whole.
    After a crash a job with `resume` goes on behind them, and gives the bytes that it would have given uninterrupted:
    `predicted_at` and prediction ids are the job's, not the moment's.

    NotScorable when the columns do not fit, BadRow for a refused row where the job is to stop, OutputTaken when the
    output exists (and not `force`) or another process writes it, JobCutOff when a job that was cut off is there (and
    not `resume`) or what it was about has changed.
    """
    begun = time.monotonic()
    format_, single = format_of(job.output, job.format)
    work = open_work(job.output, single=single, power=job.power)
    prepared = _Prepared.of(job, bundle, enrich, part_rows)
    with alone(work, job.output):
        _check_output(job, work, single=single)
        plan = _settled(work, prepared.plan(job, bundle, version, to_micros(clock.now())), resume=job.resume)
        scorer = prepared.scorer(job, bundle, version or bundle.info.version, plan, enrich)
        check_writable(scorer.schema, format_)
        if scorer.recorder is not None:
            scorer.recorder.begin(work)
        run = _Run(work, scorer, prepared, format_, single=single, watch=watch, begun=begun)
        if spread is None:
            run.score(threads or len(os.sched_getaffinity(0)))
        else:
            spread.score(run.orders(job, bundle, version or bundle.info.version, plan), run.note)
        parts, resumed = run.parts(), run.resumed
        damaged = prepared.source.damaged()
        refused = sum(each.refused for each in parts) + len(damaged)
        rejects = job.rejects or f"{job.output.rstrip('/')}.rejects.jsonl"
        if refused:
            told = [work.read(f"{each.name}.rejects") for each in parts if each.refused]
            write_whole(rejects, b"".join([_JSON.encode_lines(damaged), *told]))
        run.publish(parts, plan)
        if scorer.recorder is not None:
            scorer.recorder.end()
    return BatchDone(
        job.output,
        sum(each.read for each in parts) + len(damaged),
        sum(each.written for each in parts),
        refused,
        rejects if refused else None,
        len(parts),
        resumed,
        time.monotonic() - begun,
        _summed(parts),
    )


class _Prepared:
    """A job whose input is opened and known to fit."""

    def __init__(self, source: Source, part_rows: int, sources: dict[str, str]) -> None:
        self.source = source
        self.part_rows = part_rows
        self.sources = sources

    @classmethod
    def of(cls, job: BatchJob, bundle: Bundle, enrich: Enrichment | None, part_rows: int) -> "_Prepared":
        damaged: Literal["stop", "skip"] = "stop" if job.on_bad_row == "stop" else "skip"
        source = open_source(job.input, bundle.info.signature, damaged=damaged)
        schema = source.schema if enrich is None else enrich.columns(source.schema)
        kept = schema.names if job.keep is None else job.keep
        check_columns(schema.names, bundle.info, kept, ids=job.ids)
        timed = None if job.log is None else job.log.event_time
        if timed is not None and not pa.types.is_timestamp(schema.field(timed).type):
            raise NotScorable(
                f"Column '{timed}' is {schema.field(timed).type}, which is no time for the log.",
                remedy="Give a column of times.",
            )
        if job.keep is not None and job.where is None and enrich is None:
            source = source.only([*bundle.info.signature.names, *job.keep, *([timed] if timed else [])])
        if job.where is not None:
            from .where import Where  # noqa: PLC0415 - only who filters pays for it

            Where(job.where, source.schema).close()
        most = part_rows if job.log is None else min(part_rows, _LOGGED_ROWS)
        rows = max(1, min(most, _PART_CELLS // max(1, len(source.schema))))
        return cls(source, rows, dict(enrich.digests) if enrich is not None else {})

    def plan(self, job: BatchJob, bundle: Bundle, version: str | None, at: Micros) -> Plan:
        """What the job's parts depend on."""
        question = {
            "batch_size": job.batch_size,
            "format": job.format,
            "ids": job.ids,
            "keep": None if job.keep is None else list(job.keep),
            "log": None if job.log is None else [job.log.deployment, job.log.event_time],
            "on_bad_row": job.on_bad_row,
            "part_rows": self.part_rows,
            "runtime": bundle.runtime,
            "schema": str(self.source.schema),
            "version": version,
            "where": job.where,
        }
        files = [(each.path, each.bytes, _changed(each.path)) for each in self.source.facts]
        return Plan(at, bundle.digest, question, files, self.sources)

    def scorer(self, job: BatchJob, bundle: Bundle, version: str, plan: Plan, enrich: Enrichment | None) -> PartScorer:
        """What scores its parts."""
        return scorer_of(job, bundle, self.source, version, plan, enrich)


class _Run:
    """The parts of one job, on their way."""

    def __init__(
        self,
        work: Work,
        scorer: PartScorer,
        prepared: _Prepared,
        format_: Format,
        *,
        single: bool,
        watch: Watch,
        begun: float,
    ) -> None:
        self._work = work
        self._scorer = scorer
        self._prepared = prepared
        self._format = format_
        self._single = single
        self._watch = watch
        self._begun = begun
        self._done = {each.name: each for each in _found(work, format_)}
        self.resumed = len(self._done)
        self._before = sum(each.read for each in self._done.values())
        self._rows = 0
        self._expected = prepared.source.expected()

    def score(self, threads: int) -> None:
        """Score what is not done yet."""
        waiting: deque[Future[PartDone]] = deque()
        with ThreadPoolExecutor(threads, "modelyard-scoring") as pool, closing(self._missing()) as missing:
            try:
                for part in missing:
                    waiting.append(pool.submit(self._write, part))
                    del part
                    while len(waiting) > threads:
                        self.note(waiting.popleft().result())
                while waiting:
                    self.note(waiting.popleft().result())
            finally:
                for each in waiting:
                    each.cancel()

    def orders(self, job: BatchJob, bundle: Bundle, version: str, plan: Plan) -> Iterator[Order]:
        """What is not done yet as tasks: some parts of a Parquet file, any other file as a whole."""
        source, rows = self._prepared.source, self._prepared.part_rows
        for file, facts in enumerate(source.facts):
            count = None if facts.rows is None else -(-facts.rows // rows)
            for begin in range(0, count if count is not None else 1, PARTS_A_TASK):
                end = None if count is None else min(count, begin + PARTS_A_TASK)
                names = {part_name(file, at) for at in range(begin, begin if end is None else end)}
                if names and names <= self._done.keys():
                    continue
                yield Order(
                    job, bundle.digest, version, plan, source.alone(file), rows, file, begin, end, self._single,
                    self._format, frozenset(self._done),
                )  # fmt: skip

    def parts(self) -> list[PartDone]:
        """Those that are done, in the order of the input; one at least, which may hold no rows."""
        if not self._done:
            none = Part(0, 0, 0, self._prepared.source.schema.empty_table(), "")
            self._done[part_name(0, 0)] = self._write(none)
        return [self._done[name] for name in sorted(self._done)]

    def publish(self, parts: list[PartDone], plan: Plan) -> None:
        """From parts to the output: one file, or a folder with a manifest that says it is whole."""
        names = [f"{each.name}.{self._format}" for each in parts]
        if self._single:
            with self._work.whole() as stream:
                join_parts(map(self._work.read, names), self._scorer.schema, self._format, stream)
            return
        manifest = {"plan": msgspec.to_builtins(plan), "parts": [msgspec.to_builtins(each) for each in parts]}
        self._work.write(MANIFEST, canonical_json(manifest))
        self._work.keep([*names, MANIFEST])

    def _missing(self) -> Generator[Part, None, None]:
        """The parts that are not done, read in the order of the input."""
        source, rows = self._prepared.source, self._prepared.part_rows
        for file in range(len(source.facts)):
            number = 0
            while (done := self._done.get(part_name(file, number))) is not None and done.read == rows:
                number += 1
            if done is not None:
                continue  # its last part, which is shorter
            with closing(source.parts(file, rows, number * rows)) as tables:
                for table in tables:
                    if part_name(file, number) not in self._done:
                        yield Part(file, number, number * rows, table, source.facts[file].path)
                    number += 1

    def _write(self, part: Part) -> PartDone:
        return self._scorer.write(part, self._work, self._format, alone=not self._single)

    def note(self, done: PartDone) -> None:
        """Count a part that is done, and tell it."""
        self._done[done.name] = done
        self._rows += done.read
        seconds = time.monotonic() - self._begun
        self._watch(Progress(self._rows, self._before, self._expected, seconds))


def _found(work: Work, format_: Format) -> list[PartDone]:
    """The parts that were finished before, whose bytes are what was written: a power cut may have taken some."""
    names = [each for each in work.names() if each.startswith("part-") and each.endswith(".json")]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "modelyard-scoring") as pool:
        found = list(pool.map(lambda each: _whole(work, each, format_), names))
    return [each for each in found if each is not None]


def _whole(work: Work, name: str, format_: Format) -> PartDone | None:
    try:
        done = msgspec.json.decode(work.read(name), type=PartDone)
        rejects = None if done.rejects_sha256 is None else digest_of(work.read(f"{done.name}.rejects"))
        same = digest_of(work.read(f"{done.name}.{format_}")) == done.sha256 and rejects == done.rejects_sha256
    except (msgspec.MsgspecError, FileNotFoundError):
        return None
    return done if same else None


def _check_output(job: BatchJob, work: Work, *, single: bool) -> None:
    """OutputTaken when there is an output that must not be written over."""
    there = work.names()
    local = "://" not in job.output
    whole = exists(job.output) if single or local else MANIFEST in there
    if whole and not job.force:
        raise OutputTaken(
            f"{job.output} exists already.", code="FILE_EXISTS", remedy="Choose another name, or add --force."
        )
    if whole and local and Path(job.output).is_dir():
        raise OutputTaken(
            f"{job.output} is a folder.", code="FILE_EXISTS", remedy="Remove it yourself, or choose another."
        )
    if not local and not all(map(is_own, there)):
        strange = min(each for each in there if not is_own(each))
        raise OutputTaken(
            f"{job.output} holds files of others, such as {strange[:80]}.", code="FILE_EXISTS", remedy="Choose another."
        )
    if there and whole and not single:
        work.remove()


def _settled(work: Work, plan: Plan, *, resume: bool) -> Plan:
    """The plan of the job that was cut off, where it goes on, or this one, written down."""
    if PLAN not in work.names():
        work.remove()
        work.write(PLAN, msgspec.json.encode(plan))
        return plan
    if not resume:
        raise JobCutOff(
            f"A job that was cut off left its parts in {work.place}.",
            remedy="Add --resume to go on behind them, or remove them to begin anew.",
        )
    before = msgspec.json.decode(work.read(PLAN), type=Plan)
    if changed := _differences(before, plan):
        raise JobCutOff(
            f"Since the job was cut off this has changed: {', '.join(changed)}.",
            code="INPUT_CHANGED",
            remedy=f"Remove its parts to begin anew: {work.place}",
        )
    return before


def _differences(before: Plan, now: Plan) -> list[str]:
    """What is not as it was, in words."""
    changed = ["the model"] if before.model != now.model else []
    if digest_of(canonical_json(before.question)) != digest_of(canonical_json(now.question)):
        changed.append("what is asked for")
    if before.inputs != now.inputs:
        changed.append("the input")
    return changed + [f"view '{name}'" for name, each in now.sources.items() if before.sources.get(name) != each]


def _changed(file: str) -> int:
    """When a local file was written last, in nanoseconds."""
    path = Path(file)
    return path.stat().st_mtime_ns if path.is_file() else 0


def _summed(parts: list[PartDone]) -> dict[str, int]:
    """Unseen levels of all parts, by field."""
    found: dict[str, int] = {}
    for part in parts:
        for name, count in part.unknown.items():
            found[name] = found.get(name, 0) + count
    return found
