"""`modelyard features push`: messages of a stream become rows of a view; every wrong word gets a sentence."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.streams import Message, Stream, open_stream

from ..interrupts import heeding

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

Command = Callable[..., tuple[int, str, str]]
FEATURES = """
import modelyard as my

user = my.Entity("user")
schema = {"user": "string", "at": "timestamp[us, UTC]", "pages": "int64"}
clicks = my.StreamSource("clicks", url="local:streams/clicks", schema=schema)
nowhere = my.StreamSource("nowhere", schema=schema)
newest = my.FeatureView(name="newest", entities=[user], source=clicks, event_time="at", features=["pages"])
other = my.FeatureView(name="other", entities=[user], source=nowhere, event_time="at", features=["pages"])
plain = my.FeatureView(name="plain", entities=[user], source="rows.csv", event_time="at", features=["pages"])
"""
ROW = {"user": "ann", "at": "2026-01-05T12:00:00Z", "pages": 3}


def publish(folder: Path, *rows: object) -> None:
    """Publish messages."""
    with open_stream(f"local:{folder / 'streams'}/clicks?create=true") as stream:
        stream.publish([Message(json.dumps(each).encode()) for each in rows])


@pytest.fixture
def features(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs `modelyard features …` in a project, as the process edge does: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("modelyard.yaml").write_text("project: shop\nfeatures: {module: features.py}\n")
    Path("features.py").write_text(FEATURES)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "features", *words])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return command


def test_messages_become_rows_of_the_view(features: Command, tmp_path: Path) -> None:
    """Told in numbers; once more, there is nothing; in another group, all has been there."""
    publish(tmp_path, ROW, {"user": "ann"})
    code, out, _ = features("push", "newest", "--json")
    told = {
        "view": "newest", "source": "clicks", "from": f"local:{tmp_path}/streams/clicks", "waiting": 0,
        "unacknowledged": 0, "group": "modelyard-features-clicks",
    }  # fmt: skip
    assert (code, json.loads(out)) == (0, told | {"rows": 1, "again": 0, "refused": 1})
    assert json.loads(features("push", "newest", "--json")[1])["rows"] == 0
    found = json.loads(features("push", "newest", "--from", "local:streams/clicks?group=mine", "--json")[1])
    assert found == told | {"group": "mine", "rows": 0, "again": 1, "refused": 1}
    found = json.loads(features("push", "newest", "--group", "third", "--json")[1])
    assert (found["group"], found["rows"], found["again"]) == ("third", 0, 1)
    code, out, _ = features("get", "--features", "newest:pages", "--entity", "user=ann", "--json")
    assert json.loads(out)["values"] == {"pages": [3]}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["newst"], 5, "Did you mean 'newest'"),
        (["plain"], 2, "it reads neither a StreamSource nor a PushSource"),
        (["other"], 2, "Give --from URL, or url= to its StreamSource"),
        (["newest", "--from", "natz://host/clicks"], 2, "Did you mean 'nats'"),
        (["newest", "--from", "redis://:s3cret@127.0.0.1:1/0/clicks"], 1, "127.0.0.1:1"),
        (["newest"], 5, "There is no stream 'clicks'"),
        (["newest", "--from", "local:streams/clicks?create=true", "--group", "a b"], 2, "group"),
    ],
)
def test_wrong_words_get_a_sentence(features: Command, words: list[str], code: int, said: str) -> None:
    """With what to do, and never with a password."""
    found, _, err = features("push", *words)
    assert (found, said in err, "s3cret" in err) == (code, True, False), err


def test_ctrl_c_ends_following_with_what_was_done(features: Command, tmp_path: Path) -> None:
    """Everything that came is acknowledged; the numbers are printed, and the exit code is 0."""
    publish(tmp_path, ROW)
    command = [sys.executable, "-m", "modelyard", "features", "push", "newest", "--follow", "--json"]
    process = subprocess.Popen(
        heeding(command),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with open_stream("local:streams/clicks") as stream:
        for minute in range(1, 4):
            _until_nothing_is_left(stream)
            publish(tmp_path, ROW | {"at": f"2026-01-05T12:0{minute}:00Z"})
        _until_nothing_is_left(stream)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)["rows"], "Traceback" in err) == (0, 4, False), err


def _until_nothing_is_left(stream: Stream) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        lag = stream.lag("modelyard-features-clicks")
        if not lag.waiting and not lag.unacknowledged:
            return
        time.sleep(0.05)
    raise AssertionError(lag)
