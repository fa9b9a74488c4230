"""Signing in at an OpenID provider: who it says one is, and everything that proves nobody."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey
from pydantic import ValidationError

from modelyard.console import oidc
from modelyard.console.errors import OidcUnavailable
from modelyard.core import ManualClock
from modelyard.operations import write_template
from modelyard.wiring import OidcSettings

from ..conftest import NOON
from .provider import Provider, confused, providing, rsa, unsigned
from .serving import Answer, Console, console_of

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

NOW = int(NOON.timestamp())
BACK = "/sign-in/oidc/back"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project."""
    into = tmp_path_factory.mktemp("oidc") / "shop"
    write_template("minimal", into)
    return into


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    """Noon."""
    return ManualClock(NOON)


@pytest.fixture(scope="module")
def running(folder: Path, clock: ManualClock) -> Iterator[tuple[Console, Provider]]:
    """A console that asks everybody who he is, and the provider that it believes."""
    with providing(Provider(now=NOW)) as provider:
        with (folder / "modelyard.yaml").open("a") as file:
            file.write(
                f"""
control:
  authentication: true
  oidc:
    issuer: {provider.issuer}
    client_id: yard
    client_secret: s3cret
    roles: {{leads: [approver, developer], staff: [viewer]}}
"""
            )
        with console_of(folder, clock) as console:
            yield console, provider


@pytest.fixture
def console(running: tuple[Console, Provider]) -> Console:
    return running[0]


@pytest.fixture
def provider(running: tuple[Console, Provider], clock: ManualClock) -> Provider:
    """An honest one."""
    clock.set(NOON)
    found = running[1]
    found.claims, found.token, found.algorithm, found.now = {}, None, "RS256", NOW
    return found


def begun(console: Console, following: str = "/audit") -> tuple[str, str]:
    """Begin: where one is sent, and the cookie that one has then."""
    sent = console.get("/sign-in/oidc", {"following": following})
    assert sent.status == 303
    cookie = sent.headers["set-cookie"]
    assert {"httponly", "samesite=lax", f"path={BACK}"} <= {each.strip().lower() for each in cookie.split(";")}
    return sent.headers["location"], cookie.partition(";")[0]


def back(console: Console, code: str, state: str, cookie: str) -> Answer:
    return console.get(BACK, {"code": code, "state": state}, cookie=cookie)


def signed_in(console: Console, provider: Provider) -> Answer:
    """Go there and come back."""
    where, cookie = begun(console)
    return back(console, *provider.visit(where), cookie)


def told(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.error["code"], answer.error["message"]


def test_who_comes_back_with_a_right_token_has_a_session(console: Console, provider: Provider) -> None:
    """With the roles that his groups stand for; the page leads on, for a cookie that no other site's page sends."""
    where, cookie = begun(console)
    query = parse_qs(urlsplit(where).query)
    assert where.startswith(f"{provider.issuer}/authorize?")
    assert query["scope"] == ["openid profile email"]
    assert query["redirect_uri"] == [f"{console.url}{BACK}"]
    answer = back(console, *provider.visit(where), cookie)
    assert answer.status == 200
    assert b'content="0;url=/audit"' in answer.body
    session = next(each for each in answer.headers["set-cookie"].split(", ") if each.startswith(console.cookie))
    assert "samesite=strict" in session.lower()
    who = console.get("/api/v1/session", cookie=session.partition(";")[0]).json
    assert (who["name"], who["roles"], who["by"]) == ("oidc:ana@example.org", ["developer", "approver"], "session")
    assert console.get("/audit", cookie=session.partition(";")[0]).status == 200
    tick = console.post("/api/v1/retrain/tick", None, cookie=session.partition(";")[0])
    assert tick.error["code"] == "CSRF_TOKEN_MISSING"
    assert b"Sign in with your organisation" in console.get("/sign-in").body


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["yard", "another"]}, "another party"),
        ({"aud": ["yard", "another"], "azp": "another"}, "another party"),
        ({"azp": "another"}, "another party"),
        ({"exp": NOW - 31}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": NOW + 3600}, "iat|future|issued"),
        ({"nbf": NOW + 3600}, "nbf|yet|valid"),
        ({"nonce": "of another sign-in"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"sub": None}, "sub"),
        ({"groups": ["guests"]}, "no role here"),
        ({"groups": {"leads": 1}}, "no role here"),
        ({"groups": None}, "no role here"),
    ],
)
def test_a_token_that_says_something_else_proves_nobody(
    console: Console, provider: Provider, claims: dict[str, Any], why: str
) -> None:
    """Another issuer, audience, time, sign-in, or nobody of ours; and there is no session."""
    provider.claims = claims
    answer = signed_in(console, provider)
    assert answer.status == 401
    assert re.search(why, answer.error["message"]), answer.error["message"]
    assert console.cookie not in answer.headers.get("set-cookie", "")


def test_a_token_that_is_signed_otherwise_proves_nobody(console: Console, provider: Provider) -> None:
    """Not at all, with the public key as if it were a secret, by a key of nobody, or cut."""
    for forged in ("none", "confused", "foreign", "cut"):
        where, cookie = begun(console)
        code, state = provider.visit(where)
        query = provider.issued[code]
        good = provider.signed(query)
        claims = {"iss": provider.issuer, "aud": "yard", "sub": "1", "iat": NOW, "exp": NOW + 300} | {
            "nonce": query["nonce"], "groups": ["leads"]
        }  # fmt: skip
        stranger = Provider(port=provider.port, now=NOW, keys=[rsa(provider.keys[-1].kid or "")])
        provider.token = {
            "none": unsigned(claims), "confused": confused(provider.keys[-1], claims),
            "foreign": stranger.signed(query),
            "cut": good[:-8],
        }[forged]  # fmt: skip
        status, code, message = told(back(console, code, state, cookie))
        assert (status, code) == (401, "OIDC_REFUSED"), forged
        assert "token is not taken" in message


def test_a_state_is_good_once_in_its_own_browser_and_for_ten_minutes(
    console: Console, provider: Provider, clock: ManualClock
) -> None:
    """Replayed, without the cookie, with another's, made up, too late, without a code."""
    where, cookie = begun(console)
    code, state = provider.visit(where)
    assert told(back(console, code, state, ""))[:2] == (401, "OIDC_REFUSED")
    assert told(back(console, code, state, begun(console)[1]))[:2] == (401, "OIDC_REFUSED")
    made_up = f"{cookie.partition('=')[0]}=x"
    assert told(back(console, code, "x", made_up))[:2] == (401, "OIDC_REFUSED")
    assert back(console, code, state, cookie).status == 200
    replayed = back(console, code, state, cookie)
    assert told(replayed)[:2] == (401, "OIDC_REFUSED")
    assert "not begun here, or is over" in replayed.error["message"]
    where, cookie = begun(console)
    assert told(back(console, "", provider.visit(where)[1], cookie))[:2] == (401, "OIDC_REFUSED")
    where, cookie = begun(console)
    clock.advance(timedelta(minutes=10))
    assert told(back(console, *provider.visit(where), cookie))[:2] == (401, "OIDC_REFUSED")


def test_a_code_that_the_provider_does_not_take_proves_nobody(console: Console, provider: Provider) -> None:
    """One of somebody else's, whose challenge is another: PKCE."""
    where, cookie = begun(console)
    other, _ = provider.visit(begun(console)[0])
    _, state = provider.visit(where)
    assert told(back(console, other, state, cookie))[:2] == (401, "OIDC_REFUSED")


def test_keys_that_rotate_are_met_and_asked_for_only_then(
    console: Console, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that nobody knew is looked up anew; one that is gone signs nothing any more; elliptic ones do as well."""
    assert signed_in(console, provider).status == 200
    before = provider.asked.count("/keys")
    assert signed_in(console, provider).status == 200
    assert provider.asked.count("/keys") == before
    monkeypatch.setattr(oidc, "_AGAIN_S", 0.0)
    old = provider.keys
    provider.keys = [*old, rsa("second")]
    assert signed_in(console, provider).status == 200
    assert provider.asked.count("/keys") == before + 1
    provider.keys, provider.algorithm = [ECKey.generate_key("P-256", {"kid": "third", "use": "sig"})], "ES256"
    assert signed_in(console, provider).status == 200
    gone = Provider(port=provider.port, now=NOW, keys=[old[-1]])
    where, cookie = begun(console)
    code, state = provider.visit(where)
    provider.token = gone.signed(provider.issued[code])
    assert told(back(console, code, state, cookie))[:2] == (401, "OIDC_REFUSED")
    provider.token, provider.algorithm = None, "ES512"
    provider.keys = [ECKey.generate_key("P-521", {"kid": "fourth", "use": "sig"})]
    assert told(signed_in(console, provider))[:2] == (401, "OIDC_REFUSED")
    provider.keys = [rsa("fifth")]


def test_nobody_is_sent_elsewhere_afterwards(console: Console, provider: Provider) -> None:
    """Only to pages of this console, whatever was asked for."""
    for following in ("https://evil.example", "//evil.example", '"><script>', "/\\evil"):
        where, cookie = begun(console, following)
        answer = back(console, *provider.visit(where), cookie)
        assert b"evil" not in answer.body
        assert b"<script" not in answer.body


def test_a_provider_that_is_away_or_not_itself_signs_nobody_in(provider: Provider) -> None:
    """Another issuer in its own document, an endpoint in the clear, no answer."""
    settings = OidcSettings(issuer=provider.issuer, client_id="yard", roles={})
    other = settings.model_copy(update={"issuer": f"{provider.issuer}/"})
    with pytest.raises(OidcUnavailable, match="is of the issuer"):
        oidc.Provider(other).address("token_endpoint")
    with pytest.raises(OidcUnavailable, match="no usable end_session_endpoint"):
        oidc.Provider(settings).address("end_session_endpoint")
    away = settings.model_copy(update={"issuer": "http://127.0.0.1:1"})
    with pytest.raises(OidcUnavailable, match="cannot be asked"):
        oidc.Provider(away).keys()


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://id.example.org"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"scopes": ["email"]},
        {"roles": {"x": ["king"]}},
        {"address": "http://yard.example.org"},
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(wrong: dict[str, Any]) -> None:
    """In the clear, with secrets that everybody knows, with roles that are none."""
    good = {"issuer": "https://id.example.org", "client_id": "yard", "roles": {"leads": ["approver"]}}
    assert OidcSettings.model_validate(good)
    with pytest.raises(ValidationError):
        OidcSettings.model_validate(good | wrong)
