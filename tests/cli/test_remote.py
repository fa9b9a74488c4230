"""The same commands, asked of a control plane elsewhere: same documents, same sentences, same exit codes."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest

from modelyard.cli.derive import ANYWHERE
from modelyard.cli.root import NOUNS, root
from modelyard.core import ManualClock
from modelyard.operations import catalogue

from ..conftest import NOON
from ..console.serving import Console, console_of
from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture(scope="module")
def console(trained: Path) -> Iterator[Console]:
    """The trained project's console, which is only read."""
    with console_of(trained, ManualClock(NOON)) as found:
        yield found


ASKED: tuple[tuple[str, ...], ...] = (
    ("status",), ("config", "show"), ("model", "list"), ("model", "list", "--name", "purchase"),
    ("model", "show", "purchase", "1"), ("model", "show", "purchase", "99"), ("model", "show", "purhcase", "1"),
    ("model", "compare", "--name", "purchase", "--versions", "1"), ("model", "history", "purchase"),
    ("model", "card", "purchase", "1"), ("model", "lineage", "purchase", "1"),
    ("pipeline", "show", "training"), ("pipeline", "validate", "training"), ("pipeline", "export", "training"),
    ("rollout", "status", "shop"), ("rollout", "status", "shed"), ("alert", "list", "--all"), ("audit", "list"),
    ("audit", "verify"), ("retrain", "status", "purchase"), ("retrain", "explain", "nothing"),
    ("drift", "analyze", "--model", "purchase"), ("rollout", "start", "shop", "--to", "1", "--strategy", "never"),
)  # fmt: skip


@pytest.mark.parametrize("words", ASKED, ids=" ".join)
def test_a_command_says_the_same_wherever_it_is_asked(
    modelyard: Command, console: Console, words: tuple[str, ...]
) -> None:
    """For a person and as JSON, well or not; what differs is the time of day."""
    for more in ((), ("--json",)):
        here = modelyard(*words, "--project", str(console.folder), *more)
        there = modelyard("--url", console.url, *words, *more)
        assert [_timeless(each) for each in map(str, there)] == [_timeless(each) for each in map(str, here)]


def _timeless(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+", "TIME", text)


def test_what_is_done_there_is_done(modelyard: Command, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the holder of the key in MODELYARD_API_KEY, at the address in MODELYARD_URL; a refusal is one here as well."""
    with console_of(shop, ManualClock(NOON)) as console:
        monkeypatch.setenv("MODELYARD_URL", console.url)
        assert modelyard("model", "tag", "purchase", "1", "team=risk", "size=small")[0] == 0
        key = console.key("viewer")
        monkeypatch.setenv("MODELYARD_API_KEY", key)
        tags = json.loads(modelyard("model", "show", "purchase", "1", "--json")[1])["tags"]
        assert {"team": "risk", "size": "small"}.items() <= tags.items()
        code, _, err = modelyard("model", "tag", "purchase", "1", "team=")
        assert (code, key.split("_")[1] in err) == (4, True)
        assert modelyard("model", "gate", "purchase", "1", "--min-accuracy", "0.1")[0] == 4
        monkeypatch.setenv("MODELYARD_API_KEY", console.key("operator"))
        assert modelyard("model", "gate", "purchase", "1", "--min-accuracy", "0.1")[0] == 0
        assert modelyard("model", "gate", "purchase", "1", "--min-accuracy", "1.1")[0] == 1


def leaves(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with the words that lead to it."""
    if not isinstance(group, click.Group):
        yield words, group
        return
    if group.invoke_without_command:
        yield words, group
    for name in group.list_commands(click.Context(group)):
        if (each := group.get_command(click.Context(group), name)) is not None:
            yield from leaves(each, (*words, name))


def test_every_operation_that_has_a_route_can_be_asked_elsewhere_and_no_other(modelyard: Command) -> None:
    """What is about this machine's files and processes is refused with --url, before anything is done."""
    for noun in NOUNS:
        root.get_command(click.Context(root), noun)
    asked = {tuple(each.name.split()) for each in catalogue() if not each.local}
    anywhere = {words for words, each in leaves(root) if each in ANYWHERE}
    assert anywhere == asked
    for words, each in leaves(root):
        if each not in ANYWHERE:
            code, _, err = modelyard("--url", "http://127.0.0.1:1", *words)
            assert (code, "LOCAL_ONLY" in err, f"modelyard {' '.join(words)}" in err) == (2, True, True)


def test_what_only_this_machine_has_is_not_sent(modelyard: Command, console: Console) -> None:
    """A file of parameters, an address to ask from here, a folder."""
    for words, flag in (
        (("pipeline", "run", "training", "--params", "p.yaml"), "--params"),
        (("deploy", "smoke", "shop", "--url", "http://127.0.0.1:1"), "--url"),
    ):
        code, _, err = modelyard("--url", console.url, *words)
        assert (code, "LOCAL_ONLY" in err, f"Leave {flag} out" in err) == (2, True, True)
    code, _, err = modelyard("--url", console.url, "status", "--project", str(console.folder))
    assert (code, "do not go together" in err) == (2, True)


def test_a_folder_that_is_named_goes_before_an_address_in_the_environment(
    modelyard: Command, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And commands about this machine are not disturbed by it."""
    monkeypatch.setenv("MODELYARD_URL", "http://127.0.0.1:1")
    assert modelyard("status", "--project", str(console.folder))[0] == 0
    assert modelyard("log", "verify", "--project", str(console.folder))[0] == 0
    code, _, err = modelyard("status")
    assert (code, "CONTROL_PLANE_AWAY" in err) == (1, True)


@pytest.mark.parametrize(
    ("url", "code", "told"),
    [
        ("http://127.0.0.1:1", 1, "CONTROL_PLANE_AWAY"),
        ("127.0.0.1:8090", 2, "no address of a control plane"),
        ("ftp://127.0.0.1", 2, "no address of a control plane"),
        ("http://yard.example:8090", 2, "KEY_IN_THE_CLEAR"),
    ],
)
def test_an_address_that_will_not_do_is_told(
    modelyard: Command, monkeypatch: pytest.MonkeyPatch, url: str, code: int, told: str
) -> None:
    """Nothing there, no address, or one to which a key would go for all to read."""
    monkeypatch.setenv("MODELYARD_API_KEY", "my_0_0")
    found = modelyard("--url", url, "status")
    assert (found[0], told in found[2]) == (code, True)


def test_something_else_at_the_address_is_told_and_a_redirect_not_followed(modelyard: Command) -> None:
    """A key goes where it was meant to, and nowhere else."""
    seen: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        code, _, err = modelyard("--url", f"http://127.0.0.1:{server.server_port}", "status")
        server.shutdown()
        thread.join()
    assert (code, "NO_CONTROL_PLANE" in err, seen) == (1, True, ["/api/v1/status"])
