"""What the run adds up to, and whether the promises were kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelyard.guards import abstains
from modelyard.stats import share_difference

from .library import EMBEDDER, LEAST, MANUAL
from .live import Deleted, Lived
from .questions import Question, Suite
from .readers import Answer, Tally
from .records import Check, Half, ManualSummary, Share, Told
from .upstream import FILE

MORE = 0.5
"""So much more of the unanswerable the application must abstain from, at least: by the lower end of the interval."""


@dataclass(frozen=True)
class Run:
    """What is known of a run beside its answers."""

    pages: int
    chunks: int
    seed: int
    tally: Tally
    wall_s: float


def summarise(suite: Suite, lived: Lived, run: Run) -> ManualSummary:
    """The summary of a finished run; every figure is of answers that the server gave."""
    asked = suite.of("test")
    grounded, bare = _half(asked, lived.grounded), _half(asked, lived.bare)
    more = _more(grounded.abstained, bare.abstained)
    checks = (
        _cites(grounded, bare),
        _abstains(more, grounded, bare),
        _finds_better(lived),
        _stops_worse(lived),
        _never_again(lived.deleted),
    )
    return ManualSummary(
        model=FILE,
        embedder=f"{EMBEDDER}, int8",
        pages=run.pages,
        chunks=run.chunks,
        least=LEAST,
        grounded=grounded,
        bare=bare,
        more=more,
        checks=checks,
        told=tuple(_told(*each) for each in zip(asked, lived.grounded, lived.bare, strict=True)),
        history=tuple(f"{each.deployment} v{each.version} {each.kind}: {each.detail}" for each in lived.events),
        phases=lived.phases,
        requests=run.tally.asked,
        input_tokens=run.tally.input_tokens,
        output_tokens=run.tally.output_tokens,
        seed=run.seed,
        wall_s=round(run.wall_s, 1),
    )


def abstained(answer: Answer) -> bool:
    """Whether an answer says that there is none: by one rule for both, that of the gateway."""
    return abstains(answer.text) if answer.abstained is None else answer.abstained


def _half(asked: Sequence[Question], answers: Sequence[Answer]) -> Half:
    both = list(zip(asked, answers, strict=True))
    known = [(question, answer) for question, answer in both if question.answerable]
    unknown = [answer for question, answer in both if not question.answerable]
    return Half(
        abstained=Share.of(sum(map(abstained, unknown)), len(unknown)),
        refused=Share.of(sum(abstained(answer) for _, answer in known), len(known)),
        right=Share.of(sum(question.answered_by(answer.text) for question, answer in known), len(known)),
        cited=Share.of(sum(bool(set(answer.cited) & set(question.pages)) for question, answer in known), len(known)),
    )


def _more(one: Share, other: Share) -> tuple[float, float, float]:
    low, high = share_difference(one.hits, one.total, other.hits, other.total)
    return one.value - other.value, low, high


def _told(question: Question, grounded: Answer, bare: Answer) -> Told:
    return Told(
        id=question.id,
        question=question.question,
        pages=question.pages,
        grounded=grounded.text,
        cited=grounded.cited,
        right=question.right(grounded.text, abstained=abstained(grounded)),
        abstained=abstained(grounded),
        bare=bare.text,
        bare_abstained=abstained(bare),
    )


def _cites(grounded: Half, bare: Half) -> Check:
    _, low, _ = _more(grounded.right, bare.right)
    return Check(
        "It answers questions from our pages, with citations",
        low > 0 and grounded.cited.hits > 0,
        f"right: {written(grounded.right)}, the bare model {written(bare.right)}; cites a page that answers it: "
        f"{written(grounded.cited)}",
    )


def _abstains(more: tuple[float, float, float], grounded: Half, bare: Half) -> Check:
    return Check(
        "It abstains from what no page answers, far more often than the bare model",
        more[1] >= MORE,
        f"{written(grounded.abstained)}, the bare model {written(bare.abstained)}: more by {more[0]:.3f} "
        f"({more[1]:.3f} to {more[2]:.3f})",
    )


def _finds_better(lived: Lived) -> Check:
    promoted = _event(lived, "plain", "promoted")
    return Check(
        "An A/B test finds the better prompt",
        promoted is not None,
        _said(lived, "plain") if promoted is None else promoted,
    )


def _stops_worse(lived: Lived) -> Check:
    stopped = _event(lived, "timid", "rolled_back")
    if stopped is not None and not stopped.startswith("quality"):  # taken back, but not by what readers said
        return Check("A canary stops a worse prompt", kept=False, found=stopped)
    return Check("A canary stops a worse prompt", stopped is not None, stopped or _said(lived, "timid"))


def _event(lived: Lived, prompt: str, kind: str) -> str | None:
    """What was said when a prompt's version was promoted or rolled back, if it was."""
    number = lived.versions.get(prompt)
    found = [
        each.detail
        for each in lived.events
        if each.deployment == MANUAL and each.version == number and each.kind == kind
    ]
    return found[-1] if found else None


def _said(lived: Lived, prompt: str) -> str:
    number = lived.versions.get(prompt)
    found = [each for each in lived.events if each.deployment == MANUAL and each.version == number]
    return f"last: {found[-1].kind}, {found[-1].detail}" if found else "it never began"


def _never_again(deleted: Deleted | None) -> Check:
    promise = "A page that is deleted is never cited again, nor told from a cache"
    if deleted is None:
        return Check(promise, kept=False, found="no page was cited at all")
    cited = sum(deleted.page in answer.cited for answer in deleted.before)
    again = sum(deleted.page in answer.cited for answer in deleted.again)
    after = sum(deleted.page in (*answer.cited, *answer.retrieved) for answer in deleted.after)
    said = {answer.text for answer in deleted.before if deleted.page in answer.cited}
    repeated = sum(answer.text in said for answer in deleted.after)
    return Check(
        promise,
        cited > 0 and again > 0 and deleted.kept > 0 and after == 0 and repeated == 0,
        f"{deleted.page} was cited in {cited} of {len(deleted.questions)} answers, asked again in {again}, of which "
        f"{deleted.kept} came from the cache; since it was deleted, in {after} of {len(deleted.after)}, {repeated} of "
        "which repeat an answer",
    )


def written(share: Share) -> str:
    """A share as it is told."""
    if share.lower is None or share.upper is None:
        return f"{share.hits} of {share.total}"
    return f"{share.hits} of {share.total} ({share.lower:.3f} to {share.upper:.3f})"
