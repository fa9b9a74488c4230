"""Guards of applications over a real server: what goes up, what comes back, what is on record."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import canonical_json
from modelyard.generation import APPLICATION_FILE, GUARDS_FILE, Application, Target
from modelyard.guards import GuardSet, PatternGuard, Side, default_set
from modelyard.inference import BundleDamaged
from modelyard.journal import Guarded
from modelyard.llm import application_bundle
from modelyard.routing import ServingPolicy
from modelyard.serving.applications import load_application
from modelyard.serving.guarding import Guards
from modelyard.testing import faulty_upstream

from ..guards.planted import EVERY
from .test_chat import PROMPT, Gateway, live, route, text_of

CARD = "4111 1111 1111 1111"
KEY = "AKIAIOSFODNN7EXAMPLE"
REFUSING = GuardSet.model_validate({"guards": [{"guard": "secrets", "action": "refuse"}, {"guard": "personal_data"}]})
GOING_UP = GuardSet.model_validate({"guards": [{"guard": "personal_data", "on": ["input"]}]})
COMING_BACK = GuardSet.model_validate({"guards": [{"guard": "personal_data", "on": ["output"]}]})
HOLDING = GuardSet.model_validate({"guards": [{"guard": "secrets", "action": "refuse", "on": ["output"]}]})
SHAPED = GuardSet.model_validate({"guards": [{"guard": "schema", "schema": {"type": "object", "required": ["a"]}}]})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with a deployment for each set."""
    with faulty_upstream() as upstream:
        made = Gateway(tmp_path_factory.mktemp("guards"), upstream)
        routes = [
            route("refusing", live(made.bundle("answer", guards=REFUSING))),
            route("up", live(made.bundle("answer", guards=GOING_UP, prompt=PROMPT))),
            route("back", live(made.bundle("letters", guards=COMING_BACK))),
            route("tools", live(made.bundle("tool", guards=COMING_BACK))),
            route("holding", live(made.bundle("letters", guards=HOLDING))),
            route("shaped", live(made.bundle("answer", guards=SHAPED))),
            route("discreet", live(made.bundle("letters"))),
        ]
        others = {"discreet": ServingPolicy(log_text="redacted")}
        made.publish(*routes, policy=ServingPolicy(log_text="full"), others=others)
        made.server.start()
        yield made
        made.server.stop()


def says(text: str) -> dict[str, Any]:
    """A message of the user's."""
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("guards", [REFUSING, GOING_UP, HOLDING, SHAPED, default_set()])
def test_what_is_cleared_at_once_is_what_a_stream_lets_through(
    guards: GuardSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a text holds: the same leaves, with the same verdict, as when each is looked at piece by piece."""
    random, own = Random(5), Guards.of(guards)
    planted = [
        f"{before}{draw(random)}{behind}" for draw in EVERY.values() for before, behind in (("", ""), ("a ", "!"))
    ]
    texts = ["", " ", "Nothing in here: 7.", '{"a": 1}', "4111 1111 1111 1112", *planted]
    quick = [passed(own, text) for text in texts]
    assert any((text, "pass", False) in sides for text, sides in zip(texts, quick, strict=True))
    monkeypatch.setattr(PatternGuard, "clears", lambda *_: False)
    assert quick == [passed(own, text) for text in texts]


def passed(guards: Guards, text: str) -> list[tuple[str, str, bool]]:
    """What leaves of a text on either side, the verdict, and whether it is refused."""
    found, sides = [], list[Side](("input", "output"))
    for side in sides:
        passage = guards.on(side)
        if passage is None:
            found.append((text, "", False))
            continue
        message = {"role": "user", "content": text}
        left = passage.message(message, "m") if side == "input" else passage.piece(0, message, ended=True)
        found.append((left["content"], passage.verdict().verdict, passage.refused))
    return found


@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_guard_refuses_is_told_with_its_place_and_goes_nowhere(gateway: Gateway, *, streamed: bool) -> None:
    """400 in OpenAI's shape; no upstream is asked, and the value is not on record."""
    before = len(gateway.upstream.bodies)
    told = {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": f"Use {KEY}"}]}
    if streamed:
        status, events = gateway.stream("refusing", **told)
        body = events[0]
    else:
        status, body = gateway.ask("refusing", **told)
    assert status == 400
    assert (body["error"]["code"], body["error"]["param"]) == ("guard_refused", "messages[1].content")
    assert "characters 4 to 24 are aws_key" in body["error"]["message"]
    assert "Leave it out" in body["error"]["message"]
    assert KEY not in json.dumps(body)
    assert len(gateway.upstream.bodies) == before
    record, made = gateway.records("refusing")[-1]
    assert (record.error, record.answered, made.guards) == ("input", False, REFUSING.digest)
    assert made.guarded_input == Guarded("fail", {"aws_key:refuse": 1}, (), refused=True)
    assert KEY not in made.asked
    assert gateway.server.metric("llm_guard_findings_total", side="input", kind="aws_key", action="refuse") >= 1
    assert gateway.server.metric("llm_guard_verdicts_total", side="input", verdict="fail") >= 1


def test_what_goes_up_is_redacted_in_every_text_of_the_request(gateway: Gateway) -> None:
    """Contents, parts of them, arguments of tools and values of the prompt; and so it is on record."""
    call = {"id": "c", "type": "function", "function": {"name": "pay", "arguments": json.dumps({"card": CARD})}}
    messages = [
        {"role": "user", "content": f"My card is {CARD}."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": f"paid by {CARD}", "tool_call_id": "c"},
        {"role": "user", "content": "Thanks"},
    ]
    status, _ = gateway.ask("up", messages=messages, variables={"company": f"Acme, {CARD}"})
    assert status == 200
    sent = gateway.upstream.bodies[-1]
    assert CARD not in json.dumps(sent)
    assert sent["messages"][0]["content"] == "You answer for Acme, [CARD]."
    assert sent["messages"][1]["content"] == "My card is [CARD]."
    assert json.loads(sent["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"card": "[CARD]"}
    _, made = gateway.records("up")[-1]
    assert CARD not in made.asked
    assert made.guarded_input == Guarded("fail", {"card:redact": 4})
    assert made.guarded_output is None
    parts = [{"role": "user", "content": [{"type": "text", "text": f"card {CARD}"}]}, {"role": "user", "content": "x"}]
    assert gateway.ask("up", messages=parts, variables={"company": "Acme"})[0] == 200
    assert gateway.upstream.bodies[-1]["messages"][1]["content"] == [{"type": "text", "text": "card [CARD]"}]


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_on_record_is_redacted_where_the_policy_says_so(gateway: Gateway, *, streamed: bool) -> None:
    """Without guards the caller and the upstream have the values, and the log has none of them."""
    text = f"Card {CARD}, Grüße"
    if streamed:
        assert text_of(gateway.stream("discreet", **says(text))[1]) == text
    else:
        assert gateway.ask("discreet", **says(text))[1]["choices"][0]["message"]["content"] == text
    assert gateway.upstream.bodies[-1]["messages"][-1]["content"] == text
    _, made = gateway.records("discreet")[-1]
    assert (made.asked, made.said) == ('[{"role":"user","content":"Card [CARD], Grüße"}]', "Card [CARD], Grüße")
    assert made.guarded_input is None


def test_a_value_that_comes_back_letter_by_letter_never_leaves(gateway: Gateway) -> None:
    """Whole or streamed, as text or as a tool's arguments."""
    text = f"Card {CARD}, Grüße"
    assert gateway.ask("back", **says(text))[1]["choices"][0]["message"]["content"] == "Card [CARD], Grüße"
    status, events = gateway.stream("back", **says(text))
    assert (status, text_of(events), events[-1]) == (200, "Card [CARD], Grüße", "[DONE]")
    _, made = gateway.records("back")[-1]
    assert (made.said, made.guarded_output) == ("Card [CARD], Grüße", Guarded("fail", {"card:redact": 1}))
    assert gateway.ask("back", **says("Hello"))[0] == 200
    assert gateway.records("back")[-1][1].guarded_output == Guarded("pass")
    called = gateway.ask("tools", **says(text))[1]["choices"][0]["message"]["tool_calls"][0]
    assert called["function"] == {"name": "look", "arguments": "Card [CARD], Grüße"}
    _, events = gateway.stream("tools", **says(text))
    pieces = [
        call["function"].get("arguments", "")
        for each in events[:-1]
        for choice in each["choices"]
        for call in choice["delta"].get("tool_calls", ())
    ]
    assert "".join(pieces) == "Card [CARD], Grüße"


def test_an_answer_that_must_not_leave_is_an_error(gateway: Gateway) -> None:
    """400 when nothing has left, an error event behind what has; the upstream is hung up on."""
    status, told = gateway.ask("holding", **says(f"Use {KEY} now"))
    assert (status, told["error"]["code"], told["error"]["param"]) == (400, "guard_refused", None)
    status, events = gateway.stream("holding", **says(f"Use {KEY} now"))
    assert (status, text_of(events)) == (200, "Use ")
    assert events[-1]["error"]["code"] == "guard_refused"
    assert KEY not in json.dumps(events)
    record, made = gateway.records("holding")[-1]
    assert (record.error, made.said) == ("invalid_output", "Use ")


def test_an_answer_of_another_schema_is_held_back_whole(gateway: Gateway) -> None:
    """Streamed, too: nothing of it leaves, and what keeps the schema leaves as it is."""
    status, told = gateway.ask("shaped", **says("no JSON"))
    assert (status, told["error"]["code"]) == (400, "guard_refused")
    assert "off_schema" in told["error"]["message"]
    _, events = gateway.stream("shaped", **says("no JSON"))
    assert (text_of(events), events[-1]["error"]["code"]) == ("", "guard_refused")
    assert text_of(gateway.stream("shaped", **says('{"a": 1}'))[1]) == '{"a": 1}'


def test_tokens_of_a_guarded_answer_are_not_told(gateway: Gateway) -> None:
    """`logprobs` would spell what was taken out."""
    status, told = gateway.ask("back", logprobs=True, **says("x"))
    assert (status, told["error"]["param"]) == (400, "logprobs")


def test_other_guards_are_another_bundle(tmp_path: Path) -> None:
    """And equal ones the same, however the set was written."""

    def digest(name: str, guards: GuardSet | None) -> str:
        document = None if guards is None else guards.document
        made = Application((Target("one", "m"),), guards=None if guards is None else guards.digest)
        return application_bundle(tmp_path / name, "assistant", made, None, document)

    same = GuardSet.model_validate({"fail_closed": True, "guards": [{"guard": "personal_data"}, {"guard": "secrets"}]})
    made = [digest(str(at), each) for at, each in enumerate((None, default_set(), REFUSING, same))]
    assert len(set(made)) == 3
    assert made[1] == made[3]


def test_a_set_that_needs_more_than_a_text_is_not_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Support would find that nothing rests on anything, injection would fail on everything; and a set that cannot be
    read is told with its line.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modelyard.yaml").write_text("project: desk\nupstreams: {one: {url: 'http://127.0.0.1:1/v1'}}\n")
    command = ["llm", "register", "desk", "--target", "one/m", "--guards"]

    def modelyard(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["modelyard", *words])
        code = run(root)
        return code, *capsys.readouterr()

    digests = f"embedder: {'a' * 64}, classifier: {'b' * 64}"
    both = f"injection, {digests}, on: [input, output]"
    for guard, needs in (("support", "retrieved"), (f"injection, {digests}", "a classifier"), (both, "on: [input]")):
        (tmp_path / "guards.yaml").write_text(f"guards: [{{guard: {guard}}}]\n")
        code, _, err = modelyard(*command, "guards.yaml")
        assert (code, "GUARD_NEEDS_MORE" in err, needs in err) == (2, True, True), err
    (tmp_path / "guards.yaml").write_text("guards: [{guard: suport}]\n")
    code, _, err = modelyard(*command, "guards.yaml")
    assert (code, "guards.yaml" in err) == (2, True), err


def nothing(_: object) -> NoReturn:
    """What loads the parts of an application that has none."""
    pytest.fail("it has no parts")


def test_a_server_refuses_guards_that_are_not_those_of_the_application(gateway: Gateway) -> None:
    """A bundle whose set was exchanged is damaged, and its arm is not loaded."""
    folder = gateway.server.folder / "wrong"
    made = Application((Target("one", "answer"),), guards=REFUSING.digest)
    digest = application_bundle(folder, "assistant", made, None, default_set().document)
    with pytest.raises(BundleDamaged, match="not those"):
        load_application(folder, live(digest), nothing, nothing)
    assert (folder / APPLICATION_FILE).exists()
    assert (folder / GUARDS_FILE).read_bytes() == canonical_json(json.loads(default_set().document))
