"""Signing in at an OpenID provider: authorization code with PKCE, and the one token whose word is taken.

OpenID Connect Core 1.0, section 3.1, with RFC 7636 (S256) and the advice of RFC 9700. What the provider may sign with,
who it is and whom it speaks to is pinned by the project file; nothing a token says of itself changes that.
"""

import hashlib
import json
import secrets
import ssl
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from modelyard.access import Principal, Role, is_safe_address
from modelyard.core import Clock, Micros, to_micros
from modelyard.storage import RecordStore
from modelyard.wiring import OidcSettings

from .errors import OidcRefused, OidcUnavailable

KIND = "oidc-sign-in"
"""The kind of the documents of sign-ins under way, under the digest of their state."""

LASTS = timedelta(minutes=10)
"""How long a person may take at the provider."""

_SECONDS, _MOST_BYTES, _LEEWAY_S = 10.0, 1 << 20, 30
_KNOWN_S, _AGAIN_S = 3600.0, 10.0
"""How long what the provider says of itself is known, and how soon its keys may be asked for again."""

_ASYMMETRIC = ("RSA", "EC", "OKP")


class Begun(msgspec.Struct, frozen=True):
    """A sign-in under way, at rest."""

    nonce: str
    verifier: str
    following: str
    redirect: str
    expires_us: Micros


class Provider:
    """What an OpenID provider says of itself, and its keys. Safe for several threads."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._document: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._opener = build_opener(_NoRedirect(), HTTPSHandler(context=ssl.create_default_context()))

    def address(self, name: str) -> str:
        """One of its endpoints; OidcUnavailable when it names none that is safe to use."""
        found = self._discovered().get(name)
        if not isinstance(found, str) or not is_safe_address(found):
            raise OidcUnavailable(
                f"The provider {self._settings.issuer} has no usable {name}.",
                remedy="It must be https, or on this machine. See control.oidc.issuer.",
            )
        return found

    def keys(self, *, anew: bool = False) -> KeySet:
        """Its public keys; `anew` asks again, at most every ten seconds: keys that rotate are met this way."""
        with self._lock:
            known = self._keys
        age = _AGAIN_S if anew else _KNOWN_S
        if known is not None and time.monotonic() - known[0] < age:
            return known[1]
        told = self.asked(Request(self.address("jwks_uri")))  # noqa: S310 - checked to be https
        listed = told.get("keys")
        usable = [each for each in (listed if isinstance(listed, list) else []) if _is_public(each)]
        try:
            found = KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise OidcUnavailable(
                f"The keys of {self._settings.issuer} cannot be used: {error}.", remedy="Ask who runs the provider."
            ) from error
        with self._lock:
            self._keys = (time.monotonic(), found)
        return found

    def asked(self, request: Request) -> Mapping[str, Any]:
        """A JSON object over HTTP, from where it was asked and nowhere else."""
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                found = json.loads(answer.read(_MOST_BYTES))
        except HTTPError as error:
            with error:
                raise OidcRefused(
                    f"The provider answered with status {error.code}.", remedy="Sign in again; see control.oidc."
                ) from error
        except (URLError, OSError, ValueError) as error:
            raise OidcUnavailable(
                f"The provider {self._settings.issuer} cannot be asked: {error}.",
                remedy="Sign in with an API key, or later.",
            ) from error
        if not isinstance(found, dict):
            raise OidcUnavailable("The provider's answer is no object.", remedy="Ask who runs the provider.")
        return found

    def _discovered(self) -> Mapping[str, Any]:
        with self._lock:
            known = self._document
        if known is not None and time.monotonic() - known[0] < _KNOWN_S:
            return known[1]
        where = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
        told = self.asked(Request(where))  # noqa: S310 - the setting is checked to be https
        if told.get("issuer") != self._settings.issuer:
            raise OidcUnavailable(
                f"{where} is of the issuer {str(told.get('issuer'))[:100]!r}.",
                remedy="control.oidc.issuer is written exactly as the provider writes it.",
            )
        with self._lock:
            self._document = (time.monotonic(), told)
        return told


class OidcSignIn:
    """Signs people in at a provider. Safe for several threads; any console of the record store ends what one began."""

    def __init__(self, settings: OidcSettings, records: RecordStore, clock: Clock) -> None:
        self._settings = settings
        self._records = records
        self._clock = clock
        self._provider = Provider(settings)

    def begin(self, redirect: str, following: str) -> tuple[str, str]:
        """Where to send a browser, and the state that it must show when it comes back to `redirect`."""
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        authorize = self._provider.address("authorization_endpoint")
        now = self._clock.now()
        begun = Begun(nonce, verifier, following, redirect, to_micros(now + LASTS))
        with self._records.transaction() as tx:
            for each in tx.scan(KIND):
                if each.body["expires_us"] <= to_micros(now):
                    tx.delete(KIND, each.key)
            tx.put(KIND, _digest(state), msgspec.to_builtins(begun))
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{authorize}{'&' if urlsplit(authorize).query else '?'}{urlencode(query)}", state

    def end(self, state: str, shown: str, code: str) -> tuple[Principal, str]:
        """Who came back with a code, and where to go on; OidcRefused for everybody else.

        A state is good once, and only in the browser that began with it, which shows it as a cookie.
        """
        begun = self._taken(state) if secrets.compare_digest(state.encode(), shown.encode()) else None
        if begun is None or not code:
            raise OidcRefused(
                "This sign-in was not begun here, or is over.", remedy="Begin again: /sign-in, in the same browser."
            )
        return self._principal(self._claims(self._token(code, begun), begun)), begun.following

    def _taken(self, state: str) -> Begun | None:
        with self._records.transaction() as tx:
            document = tx.get(KIND, _digest(state))
            if document is None:
                return None
            tx.delete(KIND, document.key)
        begun = msgspec.convert(document.body, Begun)
        return begun if to_micros(self._clock.now()) < begun.expires_us else None

    def _token(self, code: str, begun: Begun) -> str:
        """The ID token for a code, from the provider's own token endpoint."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect,
            "client_id": self._settings.client_id,
            "code_verifier": begun.verifier,
        }
        headers = {"Accept": "application/json"}
        if (secret := self._settings.client_secret) is not None:
            pair = f"{quote(self._settings.client_id, safe='')}:{quote(secret.get_secret_value(), safe='')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        where = self._provider.address("token_endpoint")
        told = self._provider.asked(Request(where, urlencode(form).encode(), headers))  # noqa: S310 - checked above
        found = told.get("id_token")
        if not isinstance(found, str):
            raise OidcRefused("The provider gave no ID token.", remedy="See that control.oidc.scopes has openid.")
        return found

    def _claims(self, token: str, begun: Begun) -> Mapping[str, Any]:
        """What a token says, once nothing is wrong with it."""
        settings = self._settings
        wanted = jwt.JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": begun.nonce},
        )
        try:
            claims = self._decoded(token).claims
            wanted.validate(claims)
        except (JoseError, ValueError) as error:
            raise OidcRefused(
                f"The provider's token is not taken: {error}.", remedy="Sign in again; see control.oidc."
            ) from error
        others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if others else settings.client_id) != settings.client_id:
            raise OidcRefused("The provider's token is for another party.", remedy="See control.oidc.client_id.")
        return claims

    def _decoded(self, token: str) -> jwt.Token:
        algorithms = list(self._settings.algorithms)
        try:
            return jwt.decode(token, self._provider.keys(), algorithms=algorithms)
        except InvalidKeyIdError:
            return jwt.decode(token, self._provider.keys(anew=True), algorithms=algorithms)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        settings, listed = self._settings, claims.get(self._settings.claim)
        held = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
        roles = tuple(role for role in Role if any(role in settings.roles.get(str(each), ()) for each in held))
        name = claims.get(settings.name_claim)
        if not isinstance(name, str) or not name or not name.isprintable():
            name = str(claims["sub"])
        if not roles:
            raise OidcRefused(
                f"{name[:100]} has no role here: nothing in the claim '{settings.claim}' is among control.oidc.roles.",
                code="NO_ROLE",
                remedy="Ask an operator of this console.",
            )
        return Principal(f"oidc:{name[:200]}", roles, "oidc")


class _NoRedirect(HTTPRedirectHandler):
    """Whoever is asked answers himself."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _is_public(key: object) -> bool:
    return isinstance(key, dict) and key.get("kty") in _ASYMMETRIC and "d" not in key


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
