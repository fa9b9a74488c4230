"""Who asks the console: by machine, by key, by session; and what a browser may be made to do."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi import APIRouter, Depends, Request

from modelyard.access import NotAuthenticated, Permission, Principal, Role, local_principal
from modelyard.console import Desk, Needs, Projects, application
from modelyard.console.guard import LARGEST_BODY
from modelyard.core import InvalidProjectFile, ManualClock
from modelyard.operations import carry_out, keys
from modelyard.operations.models import OneVersion, show_model
from modelyard.wiring import Project

from ..conftest import NOON
from .serving import Answer, Console, console_of

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

WHO = "/api/v1/session"
APPROVE = "/api/v1/model/approve"
VERSION = {"name": "purchase", "version": "1", "reason": "looks right"}


@pytest.fixture
def clock() -> ManualClock:
    """Noon."""
    return ManualClock(NOON)


@pytest.fixture
def console(shop: Path, clock: ManualClock) -> Iterator[Console]:
    """The console of a project of one's own, with a page."""
    pages = APIRouter()

    @pages.get("/", dependencies=[Depends(Needs(Permission.READ))])
    def overview() -> str:
        return "overview"

    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\nsecurity: {approvals: {production: {required: 1}}}\n")
    with console_of(shop, clock, pages) as found:
        yield found


@pytest.fixture
def strict(shop: Path, clock: ManualClock) -> Iterator[Console]:
    """One that asks for a key."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true, hosts: [yard.example]}\n")
    with console_of(shop, clock) as found:
        yield found


def signed_in(console: Console, key: str) -> tuple[dict[str, str], str]:
    """The headers of a browser that has signed in, and its CSRF token."""
    answer = console.post(WHO, {"key": key})
    assert answer.status == 200
    return {"cookie": answer.headers["set-cookie"].partition(";")[0]}, answer.json["csrf"]


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.error["code"]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_whoever_is_on_this_machine_is_the_user_that_runs_it(console: Console) -> None:
    """Without a key; a proxy that speaks for others is nobody on this machine."""
    told = console.get(WHO).json
    assert (told["name"], told["roles"], told["by"]) == (local_principal().name, ["operator"], "machine")
    for name in ("forwarded", "x-forwarded-for", "x-real-ip", "via"):
        assert refusal(console.get(WHO, None, **{name: "10.0.0.1"})) == (401, "NOT_AUTHENTICATED")


def test_a_key_makes_its_holder(console: Console) -> None:
    """Its own role and no more, also for who could do more without it; the audit record has its name."""
    viewer, approver = console.key("viewer"), console.key("approver")
    told = console.get(WHO, **bearer(viewer)).json
    assert (told["name"], told["roles"], told["permissions"]) == (viewer.split("_")[1], ["viewer"], ["read"])
    assert refusal(console.post(APPROVE, VERSION, **bearer(viewer))) == (403, "PERMISSION_DENIED")
    answer = console.post(APPROVE, VERSION, **bearer(approver))
    assert answer.status == 200
    project = Project(console.folder, clock=console.clock, environment={})
    last = project.audit.entries()[-1].body
    project.close()
    assert (last["action"], last["principal"]) == ("model.approve", approver.split("_")[1])


def test_a_key_that_does_not_count_is_refused(console: Console, clock: ManualClock) -> None:
    """Unknown, of another scheme, revoked, expired; the way to another is told."""
    good, short = console.key("viewer"), console.key("viewer", days=1)
    assert refusal(console.get(WHO, **bearer("my_0_0"))) == (401, "NOT_AUTHENTICATED")
    assert refusal(console.get(WHO, authorization="Basic eDp5")) == (401, "NOT_AUTHENTICATED")
    project = Project(console.folder, clock=clock, environment={})
    carry_out(keys.revoke_key, project, keys.RevokeKey(good.split("_")[1]))
    project.close()
    assert refusal(console.get(WHO, **bearer(good))) == (401, "NOT_AUTHENTICATED")
    assert console.get(WHO, **bearer(short)).status == 200
    clock.advance(timedelta(days=1))
    answer = console.get(WHO, **bearer(short))
    assert refusal(answer) == (401, "NOT_AUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "modelyard key create" in answer.error["remedy"]


def test_a_key_for_one_deployment_is_refused_everything_else(console: Console) -> None:
    """Whatever its role: another deployment, and what is about all of them or about none."""
    key = bearer(console.key("operator", "shop"))
    assert console.get("/api/v1/rollout/status", {"deployment": "shop"}, **key).status == 200
    for path, given in (("rollout/status", {"deployment": "shed"}), ("model/list", {}), ("status", {})):
        assert refusal(console.get(f"/api/v1/{path}", given, **key)) == (403, "PERMISSION_DENIED")
    assert refusal(console.post("/api/v1/key/create", {"name": "more"}, **key)) == (403, "PERMISSION_DENIED")


def test_a_second_person_approves_through_a_session(console: Console) -> None:
    """He signs in with his key once; his browser has a cookie that no script reads and no other site sends."""
    answer = console.post(WHO, {"key": console.key("approver")})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{console.cookie}=")
    assert {"httponly", "samesite=strict", "path=/"} <= {each.strip().lower() for each in cookie.split(";")}
    browser = {"cookie": cookie.partition(";")[0]}
    assert console.get(WHO, **browser).json["by"] == "session"
    approved = console.post(APPROVE, VERSION, **browser, x_csrf_token=answer.json["csrf"])
    assert approved.status == 200
    assert console.get(WHO).json["by"] == "machine"


def test_a_session_changes_nothing_without_its_token(console: Console) -> None:
    """Not with none, a wrong one, or another session's; a form may send it as a field."""
    browser, csrf = signed_in(console, console.key("operator"))
    _, other = signed_in(console, console.key("operator"))
    assert console.get("/api/v1/status", **browser).status == 200
    for wrong in ("", "0" * 64, other, "\u00e9"):
        answer = console.post("/api/v1/retrain/tick", None, **browser, x_csrf_token=wrong)
        assert refusal(answer) == (403, "CSRF_TOKEN_MISSING")
    assert console.post("/api/v1/retrain/tick", None, **browser, x_csrf_token=csrf).status == 200
    form = urlencode({"csrf": csrf}).encode()
    left = console.post("/sign-out", form, **browser, content_type="application/x-www-form-urlencoded")
    assert (left.status, left.headers["location"]) == (303, "/sign-in")
    assert refusal(console.get("/api/v1/status", **browser)) == (401, "SESSION_OVER")


def test_a_session_ends_with_time_with_its_key_and_when_it_is_left(console: Console, clock: ManualClock) -> None:
    """Twelve hours, however it is used; a revoked key ends its sessions at once."""
    first, second = console.key("viewer"), console.key("viewer")
    browser, _ = signed_in(console, first)
    clock.advance(timedelta(hours=12) - timedelta(seconds=1))
    assert console.get(WHO, **browser).status == 200
    clock.advance(timedelta(seconds=1))
    assert refusal(console.get(WHO, **browser)) == (401, "SESSION_OVER")
    browser, csrf = signed_in(console, first)
    assert console.ask("DELETE", WHO, **browser, x_csrf_token=csrf).json == {"left": True}
    assert refusal(console.get(WHO, **browser)) == (401, "SESSION_OVER")
    browser, _ = signed_in(console, second)
    project = Project(console.folder, clock=clock, environment={})
    carry_out(keys.revoke_key, project, keys.RevokeKey(second.split("_")[1]))
    with project.records.snapshot() as view:
        kept = [each.key for each in view.scan("session")]
    project.close()
    assert refusal(console.get(WHO, **browser)) == (401, "SESSION_OVER")
    assert len(kept) == 1
    assert browser["cookie"].partition("=")[2] not in kept[0]


def test_a_page_asks_a_person_to_sign_in(strict: Console) -> None:
    """And brings him back, to this console and nowhere else; a wrong key is told on the page."""
    asked = strict.get("/sign-out-of-it", accept="text/html")
    assert asked.status == 404
    key = strict.key("viewer")
    form = {"content_type": "application/x-www-form-urlencoded"}
    page = strict.get("/sign-in", {"next": "/models"})
    assert (page.status, b"API key" in page.body) == (200, True)
    wrong = strict.post("/sign-in", urlencode({"key": "my_0_0"}).encode(), **form)
    assert (wrong.status, b"not known" in wrong.body) == (401, True)
    for following, there in (
        ("/models", "/models"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\e", "/"),
    ):
        sent = strict.post("/sign-in", urlencode({"key": key, "next": following}).encode(), **form)
        assert (sent.status, sent.headers["location"]) == (303, there)


def test_a_console_that_asks_for_keys_knows_nobody_without(strict: Console) -> None:
    """Not on this machine either; only its health and the way in are for all."""
    assert refusal(strict.get("/api/v1/status")) == (401, "NOT_AUTHENTICATED")
    assert refusal(strict.get("/api/v1/openapi.json")) == (401, "NOT_AUTHENTICATED")
    assert strict.get("/healthz").status == 200
    assert strict.get("/api/v1/status", **bearer(strict.key("viewer"))).status == 200


def test_a_page_of_another_site_cannot_ask(console: Console) -> None:
    """Neither under a name of its own that leads here, nor from its own origin; our own pages can."""
    assert refusal(console.get(WHO, host="evil.example")) == (403, "HOST_NOT_SERVED")
    assert refusal(console.get(WHO, host="127.0.0.1.evil.example:8090")) == (403, "HOST_NOT_SERVED")
    assert console.get(WHO, host="localhost").status == 200
    own = f"http://127.0.0.1:{console.port}"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", own.replace("http", "https")):
        assert refusal(console.post("/api/v1/retrain/tick", None, origin=origin)) == (403, "FOREIGN_ORIGIN")
    assert refusal(console.get("/api/v1/status", sec_fetch_site="cross-site")) == (403, "FOREIGN_ORIGIN")
    assert console.post("/api/v1/retrain/tick", None, origin=own, sec_fetch_site="same-origin").status == 200


def test_names_that_the_project_file_adds_are_served(strict: Console) -> None:
    """With or without a port; others still are not."""
    assert strict.get("/healthz", host="Yard.example:8090").status == 200
    assert strict.get("/healthz", host="yard.example.org").status == 403


def test_too_much_is_refused_unread(console: Console) -> None:
    """By what is announced, before it is sent."""
    answer = console.post(APPROVE, b"x", content_length=str(LARGEST_BODY + 1))
    assert refusal(answer) == (413, "BODY_TOO_LARGE")


def test_every_answer_says_what_a_browser_may_not(console: Console) -> None:
    """Pages, data and refusals alike; only the pages' styles may stand in them."""
    for path, allowed in (("/", 1), ("/api/v1/status", 0), ("/nowhere", 0), ("/sign-in", 1)):
        headers = console.get(path).headers
        assert {"default-src 'none'", "script-src 'self'"} <= set(headers["content-security-policy"].split("; "))
        assert headers["content-security-policy"].count("unsafe") == allowed
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert (headers["cache-control"], headers["referrer-policy"]) == (
            "no-store",
            "same-origin" if allowed else "no-referrer",
        )


@pytest.mark.parametrize(
    ("control", "lacks"),
    [
        ("{host: 0.0.0.0}", "authentication"),
        ("{host: 10.0.0.1, certificate: c.pem, private_key: k.pem}", "authentication"),
        ("{host: yard.example, authentication: true}", "certificate"),
        ("{certificate: c.pem}", "private_key"),
        ("{behind_proxy: true}", "authentication"),
    ],
)
def test_nothing_listens_beyond_this_machine_unguarded(shop: Path, control: str, lacks: str) -> None:
    """Without keys anybody could, without TLS anybody on the way could."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(f"\ncontrol: {control}\n")
    with pytest.raises(InvalidProjectFile, match=lacks):
        Project(shop, environment={})


@pytest.mark.parametrize(
    ("server", "lacks"), [("{host: 0.0.0.0}", "behind_proxy: true"), ("{private_key: k.pem}", "certificate")]
)
def test_no_server_listens_beyond_this_machine_in_the_clear(tmp_path: Path, server: str, lacks: str) -> None:
    """With TLS of its own or of a proxy in front it may; whether it asks for keys is looked at when it starts."""
    file = tmp_path / "modelyard.yaml"
    file.write_text(f"project: p\nserver: {server}\n")
    with pytest.raises(InvalidProjectFile, match=lacks):
        Project(tmp_path, environment={})
    for enough in ("{host: 0.0.0.0, behind_proxy: true}", "{host: 0.0.0.0, certificate: c.pem, private_key: k.pem}"):
        file.write_text(f"project: p\nserver: {enough}\n")
        Project(tmp_path, environment={}).close()


def test_a_console_beyond_this_machine_is_not_known_as_this_machine(shop: Path) -> None:
    """With keys and TLS it may listen anywhere; nobody is known by being near."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {host: 10.0.0.1, authentication: true, certificate: c.pem, private_key: k.pem}\n")
    project = Project(shop, environment={})
    guard = next(each for each in application(project).user_middleware)
    assert (guard.kwargs["hosts"], guard.kwargs["secure"]) == ({"10.0.0.1"}, True)
    project.close()


def test_behind_a_proxy_of_ours_what_it_says_counts(shop: Path, clock: ManualClock) -> None:
    """How it was asked decides of origins and cookies, for whom of limits; and nobody is known by being near."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true, behind_proxy: true, per_source: 1, hosts: [yard.example]}\n")
    with console_of(shop, clock) as console:
        key = console.key("operator")
        through = {"host": "yard.example", "x_forwarded_proto": "https", "origin": "https://yard.example"}
        answer = console.post(WHO, {"key": key}, **through, x_forwarded_for="9.9.9.9, 1.1.1.1")
        assert answer.status == 200
        assert "secure" in answer.headers["set-cookie"].lower()
        plain = {**through, "origin": "http://yard.example"}
        assert refusal(console.post(WHO, {"key": key}, **plain, x_forwarded_for="1.1.1.2")) == (403, "FOREIGN_ORIGIN")
        assert console.get("/healthz", x_forwarded_for="1.1.1.1").status == 200
        late = console.get("/healthz", x_forwarded_for="7.7.7.7, 1.1.1.1")
        assert (refusal(late), late.headers["retry-after"]) == ((429, "RATE_LIMITED"), "1")
        assert console.get("/healthz", x_forwarded_for="1.1.1.1, 2.2.2.2").status == 200


def test_a_key_that_asks_too_often_waits(shop: Path, clock: ManualClock) -> None:
    """Itself and its sessions together; another key does not wait for it, and time lets it go on."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true, per_key: 1}\n")
    with console_of(shop, clock) as console:
        first, second = bearer(console.key("viewer")), bearer(console.key("viewer"))
        assert [console.get(WHO, None, **first).status for _ in range(3)] == [200, 200, 429]
        assert console.get(WHO, None, **second).status == 200
        clock.advance(timedelta(seconds=1))
        assert console.get(WHO, None, **first).status == 200


def test_pages_know_who_asks_by_their_desk(shop: Path, clock: ManualClock) -> None:
    """A key, a session, or this machine; a proxy's request without either is nobody's, whatever cookie it carries."""

    def pages(desk: Desk) -> APIRouter:
        router = APIRouter()

        @router.get("/")
        def overview(request: Request) -> str:
            principal = desk.authenticate(request.cookies.get("page"))
            found = desk.carry_out(show_model, OneVersion("purchase", "1"), principal)
            return f"{desk.name} {found['number']} {principal.name}"

        @router.get("/begin")
        def begin(request: Request) -> str:
            return desk.begin(request.headers["x-key"])

        @router.get("/end")
        def end(request: Request) -> None:
            desk.end(request.cookies["page"])

        return router

    with console_of(shop, clock, pages=pages) as console:
        key = console.key("viewer")
        name = key.split("_")[1]
        assert console.get("/").json == f"minimal 1 {local_principal().name}"
        assert console.get("/", cookie=f"page={key}").json == f"minimal 1 {name}"
        session = console.get("/begin", x_key=key).json
        assert console.get("/", cookie=f"page={session}").json == f"minimal 1 {name}"
        console.get("/end", cookie=f"page={session}")
        assert refusal(console.get("/", cookie=f"page={session}")) == (401, "SESSION_OVER")
        assert refusal(console.get("/", cookie="page=", x_forwarded_for="10.0.0.1")) == (401, "NOT_AUTHENTICATED")
        assert refusal(console.get("/", cookie="other=1", forwarded="for=10.0.0.1")) == (401, "NOT_AUTHENTICATED")
        asked = console.get("/", x_forwarded_for="10.0.0.1", accept="text/html")
        assert (asked.status, asked.headers["location"]) == (303, "/sign-in?next=/")
    project = Project(shop, environment={})
    with pytest.raises(NotAuthenticated):
        Desk(Projects(project), application(project).state.identity).authenticate(None)
    project.close()


def test_what_is_done_for_a_caller_is_done_in_his_name(console: Console) -> None:
    """Also by what outlives the request: each caller has a project of his own, and nobody gets another's."""
    project = Project(console.folder, clock=console.clock, environment={})
    projects = Projects(project)
    one, two = (Principal(name, (Role.VIEWER,), "key") for name in ("one", "two"))
    with projects.opened(one) as first, projects.opened(one) as beside, projects.opened(two) as second:
        assert (first.principal, beside.principal, second.principal) == (one, one, two)
        assert len({id(first), id(beside), id(second)}) == 3
        seen = {id(first), id(beside)}
    with projects.opened(one) as first, projects.opened(two) as second:
        assert first.online is second.online  # one process can open an embedded one but once
    with projects.opened(one) as again:
        assert id(again) in seen
    projects.close()
    project.close()
