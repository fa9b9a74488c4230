"""Receivers that apprise reaches, with a real delivery."""

import json

import pytest

from modelyard.core import ManualClock
from modelyard.monitoring import AlertSettings, NotDelivered, receivers_of
from modelyard.storage import RecordStore

from .desk import MINUTE, Desk
from .taking import taking

pytestmark = pytest.mark.filterwarnings("ignore")  # of apprise's own dependencies


def test_apprise_delivers(records: RecordStore, clock: ManualClock) -> None:
    """Title, text and kind arrive; its JSON service stands for all of them."""
    with taking() as server:
        desk = Desk(records, clock, {"notify": {"chat": {"apprise": f"json://127.0.0.1:{server.port}/hook"}}})
        desk.tell({"error_rate": 0.5})
        clock.advance(MINUTE)
        desk.outbox.compose()
        (done,) = desk.outbox.deliver(receivers_of(desk.settings, {}))
        assert done.error == ""
        (path, _, body), *_ = server.requests
    told = json.loads(body)
    assert (path, told["type"], told["title"]) == ("/hook", "failure", "[critical] shop: 1 firing (error_rate)")
    assert "50.00% of requests had an error" in told["message"]


@pytest.mark.parametrize("url", ["json://127.0.0.1:1/hook-t0ken", "nosuch://t0ken", "slack://t0ken"])
def test_what_apprise_cannot_do_is_an_error_without_secrets(records: RecordStore, clock: ManualClock, url: str) -> None:
    """Nobody there, no such service, a URL that is incomplete."""
    desk = Desk(records, clock, {"notify": {"chat": {"apprise": url}}})
    desk.tell({"error_rate": 0.5})
    clock.advance(MINUTE)
    desk.outbox.compose()
    (done,) = desk.outbox.deliver(receivers_of(desk.settings, {}))
    assert done.error
    assert "t0ken" not in done.error


def test_a_receiver_that_is_gone_is_an_error() -> None:
    """The project file was changed while something waited."""
    with pytest.raises(NotDelivered, match="no receiver 'old'"):
        receivers_of(AlertSettings(), {})("old")
