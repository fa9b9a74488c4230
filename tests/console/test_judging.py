"""Judging in a browser: one answer at a time, nothing of whose it is, and nothing lost whoever closes what."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelyard.cli.root import root
from modelyard.core import ManualClock
from modelyard.llm.queues import Given, Item
from modelyard.operations import carry_out, judging

from ..conftest import NOON
from .checking import flaws
from .conftest import Console, console_of
from .site import Browser, person
from .test_pages import awaited

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} \" ' </pre><form action=https://evil>"
ORIGIN = ("case-", "variant-", "gold-model", "prompts:/")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Console]:
    """A small project with a queue of three answers, all of whose texts mean harm."""
    (tmp_path / "modelyard.yaml").write_text("project: desk\n")
    lines = [
        {
            "item": f"case-{number}", "question": f"Question {number}? {HOSTILE}", "answer": f"Answer. {HOSTILE}",
            "chunks": [HOSTILE, {"text": "second", "model": "gold-model"}], "expected": HOSTILE,
            "variant": f"variant-{number % 2}", "prompt": "prompts:/greet/3",
        }
        for number in range(3)
    ]  # fmt: skip
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    for console in console_of(tmp_path, ManualClock(NOON)):
        carry_out(judging.queue_answers, console.project, judging.QueueAnswers("pilot", file))
        yield console


def asked(text: str) -> str:
    """Which question a page shows."""
    found = re.search(r"Question \d\?", text)
    assert found is not None, text
    return found[0]


def form(text: str) -> str:
    """Where the form of the item on a page goes."""
    found = re.search(r'action="(/judging/[^"]+/label)"', text)
    assert found is not None, text
    return found[1]


def say(browser: Browser, label: str, note: str = "") -> str:
    """Judge what is shown; the page that follows."""
    return browser.send("/judging/pilot", form(browser.get("/judging/pilot").text), label=label, note=note)


def signed_in(desk: Console, name: str, role: str = "developer") -> tuple[Browser, str]:
    """A browser of somebody else, and who that is."""
    browser = Browser(desk.browser.port)
    key, principal = person(desk.project, name, role)
    assert browser.post("/sign-in", {"key": key}).status == 303
    return browser, principal.name


def test_texts_are_shown_as_they_are_and_do_nothing(desk: Console) -> None:
    """Every text stands in the page letter by letter; no tag of theirs is one of the page's."""
    text = desk.browser.get("/judging/pilot").text
    assert list(flaws(text)) == []
    shown = [unescape(each) for each in re.findall(r'<pre class="card told" dir="auto">(.*?)</pre>', text, re.DOTALL)]
    assert shown == [f"{asked(text)} {HOSTILE}", f"Answer. {HOSTILE}", HOSTILE, HOSTILE, "second"]
    assert "<script>alert" not in text
    assert "<img" not in text


def test_no_page_that_judges_tells_whose_an_answer_is(desk: Console) -> None:
    """Neither does the API, nor what is said after a form, nor the list, nor how far people agree."""
    pages = [desk.browser.get("/judging").text]
    for label in ("pass", "fail", "skip"):
        page = desk.browser.get("/judging/pilot").text
        pages += [page, say(desk.browser, label), desk.browser.get(form(page).removesuffix("/label")).text]
    pages += [desk.browser.get("/judging/pilot").text, awaited(desk.browser, "/judging/pilot/agreement", "Who judged")]
    pages += [desk.browser.get(f"/api/v1/llm/{each}?name=pilot").text for each in ("next", "agreement")]
    assert [(word, page) for page in pages for word in ORIGIN if word in page] == []
    assert [list(flaws(each)) for each in pages if each.startswith("<!")] == [[]] * sum(
        p.startswith("<!") for p in pages
    )


def test_judging_goes_on_where_it_was_left(desk: Console) -> None:
    """A browser that was closed, and a console that is another process: what was said is kept, the rest is shown."""
    first = asked(desk.browser.get("/judging/pilot").text)
    text = say(desk.browser, "pass", "as the page says\r\nin two lines")
    assert "You said pass." in text
    assert "You have judged 1 of 3" in text
    second = asked(text)
    for again in console_of(Path(desk.project.file.folder), ManualClock(NOON)):
        assert asked(again.browser.get("/judging/pilot").text) == second != first
        say(again.browser, "fail")
        last = asked(say(again.browser, "skip") + "Question 9?")
        assert last == "Question 9?"
        assert "You have judged all of them." in again.browser.get("/judging/pilot").text
    (label, _) = (each for _, each in desk.project.queues.labels("pilot") if each.label != "skip")
    assert {each.label: each.note for _, each in desk.project.queues.labels("pilot")}["pass"] == (
        "as the page says\nin two lines"
    )
    assert label.by == desk.project.principal.name


def test_two_people_never_get_in_each_others_way(desk: Console) -> None:
    """Each has the own next one, sees nothing of what the other said, and both are counted."""
    other, name = signed_in(desk, "ben")
    mine = [asked(desk.browser.get("/judging/pilot").text)]
    say(desk.browser, "pass", "my very own note")
    theirs = []
    for label in ("fail", "fail", "pass"):
        page = other.get("/judging/pilot").text
        theirs.append(asked(page))
        assert "my very own note" not in page
        say(other, label)
    mine.append(asked(desk.browser.get("/judging/pilot").text))
    assert len(set(theirs)) == 3
    assert len(set(mine)) == 2
    text = desk.browser.get("/judging").text
    assert f"{name} 3" in text
    assert re.search(r'<td class="num">1</td>', text)


def test_the_same_form_twice_is_one_label_and_another_one_corrects_it(desk: Console) -> None:
    """Two windows with the same item: each says what becomes of that one; what it was before is on record."""
    page = desk.browser.get("/judging/pilot").text
    path = form(page)
    for label, said in (("pass", "You said pass."), ("pass", "You said pass."), ("fail", "It was corrected")):
        token = re.search(r'name="token" value="(\w+)"', page)
        assert token is not None
        answer = desk.browser.post(path, {"token": token[1], "label": label})
        assert answer.status == 303
        assert said in desk.browser.get(answer.headers["location"]).text
    ((_, given),) = desk.project.queues.labels("pilot")
    assert (given.label, [each.label for each in given.history]) == ("fail", ["pass"])
    shown = desk.browser.get(path.removesuffix("/label")).text
    assert "say it again to correct it" in shown
    assert list(flaws(shown)) == []
    assert "The one before" in desk.browser.get("/judging/pilot").text


def test_judging_from_another_machine_is_the_same(desk: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--url` with a key: the next one, a label by who holds the key, and labels into a file here."""
    key, principal = person(desk.project, "cal", "developer")
    monkeypatch.setenv("MODELYARD_API_KEY", key)
    monkeypatch.chdir(desk.project.file.folder)
    there = ["--url", f"http://127.0.0.1:{desk.browser.port}", "llm"]
    shown = json.loads(CliRunner().invoke(root, [*there, "next", "pilot", "--json"]).stdout)
    item = shown["item"]["item"]
    assert "labelled pass: 1 of 3" in CliRunner().invoke(root, [*there, "label", "pilot", item, "pass"]).stdout
    assert CliRunner().invoke(root, [*there, "labels", "pilot", "-o", "labels.jsonl"]).exit_code == 0
    (line,) = Path("labels.jsonl").read_text().splitlines()
    assert json.loads(line) | {"item": ""} == {"item": "", "label": "pass", "by": principal.name}
    refused = CliRunner().invoke(root, [*there, "queue", "answers.jsonl", "--name", "other"])
    assert "names another" in str(refused.exception)


def test_what_is_no_label_is_refused_in_words(desk: Console) -> None:
    """And what is not there is a page with the command that helps."""
    assert "is no label" in say(desk.browser, "maybe")
    assert "modelyard llm queues" in desk.browser.get("/judging/nosuch").text
    answer = desk.browser.get("/judging/pilot/items/nosuch")
    assert answer.status == 404
    assert "modelyard llm next pilot" in answer.text


def test_who_may_only_look_has_no_buttons(desk: Console) -> None:
    """A viewer sees what there is to judge; the form of somebody else is no use to him."""
    guest, _ = signed_in(desk, "guest", "viewer")
    text = guest.get("/judging/pilot").text
    assert "<form" not in text.partition("<main")[2]
    assert "Who may develop may judge" in text
    path = form(desk.browser.get("/judging/pilot").text)
    assert guest.post(path, {"token": "0" * 64, "label": "pass"}).status == 403
    assert list(desk.project.queues.labels("pilot")) == []


def test_agreement_shows_kappa_and_where_people_disagree(desk: Console) -> None:
    """Without a word of what anybody said of which answer before both have judged it."""
    other, _ = signed_in(desk, "ben")
    for browser in (desk.browser, other):
        for _ in range(3):
            text = browser.get("/judging/pilot").text
            wrong = asked(text) == "Question 1?" or (asked(text) == "Question 2?" and browser is other)
            say(browser, "fail" if wrong else "pass")
    text = awaited(desk.browser, "/judging/pilot/agreement", "Cohen")
    assert re.search(r'<td class="num">3</td><td class="num">2</td><td class="num">0\.\d\d</td>', text)
    assert "Where people disagree" in text
    assert text.count("<code>") == 2  # one answer, and the command
    assert list(flaws(text)) == []


def test_a_project_without_queues_says_how_to_make_one(tmp_path: Path) -> None:
    """With the command."""
    (tmp_path / "modelyard.yaml").write_text("project: desk\n")
    for empty in console_of(tmp_path, ManualClock(NOON)):
        text = empty.browser.get("/judging").text
        assert "modelyard llm queue FILE --name NAME" in text
        assert list(flaws(text)) == []


def test_what_only_others_may_read_is_counted_and_not_shown(desk: Console) -> None:
    """Of an answer of the log: the texts that who looks may read stand there, and how many there are beside."""
    given = (Given("docs", "fox.md", ("*",), HOSTILE), Given("docs", "board.md", ("board",), "the cellar"))
    desk.project.queues.add("live", [Item("p1", "Question 1?", "Answer.", given=given)], "log", desk.project.principal)
    text = desk.browser.get("/judging/live").text
    assert list(flaws(text)) == []
    assert HOSTILE in unescape(text)
    assert "1 more of what it was given you may not read" in text
    assert "cellar" not in text
