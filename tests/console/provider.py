"""A small OpenID provider: discovery, keys, tokens. It can be made to lie."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Key = RSAKey | ECKey


def rsa(name: str) -> RSAKey:
    """A new RSA key of this name."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class Provider:
    """Gives whoever comes with a right code a token of these claims, signed with the newest key."""

    client: str = "yard"
    secret: str = "s3cret"
    now: int = 0
    claims: dict[str, Any] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=lambda: [rsa("first")])
    algorithm: str = "RS256"
    port: int = 0
    issued: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    token: str | None = None
    """A token that is given whatever is asked."""

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def visit(self, address: str) -> tuple[str, str]:
        """Be somebody who is sent there and agrees: the code and state that he is sent back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.issued)}"
        self.issued[code] = query
        return code, query["state"]

    def signed(self, query: dict[str, str]) -> str:
        """The token of somebody who was sent with this query."""
        told = {
            "iss": self.issuer, "aud": self.client, "sub": "42", "iat": self.now, "exp": self.now + 300,
            "nonce": query["nonce"], "email": "ana@example.org", "groups": ["leads"],
        } | self.claims  # fmt: skip
        key = self.keys[-1]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid or ""}, told, key, algorithms=[self.algorithm])

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """What is told at a path."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
            }  # fmt: skip
        if path == "/keys":
            return 200, {"keys": [each.as_dict(private=False) for each in self.keys]}
        query = self.issued.pop(form.get("code", ""), None)
        pair = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if query is None or authorization != f"Basic {pair}" or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if challenge.rstrip(b"=").decode() != query["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self.token or self.signed(query), "token_type": "Bearer"}


def unsigned(claims: dict[str, Any]) -> str:
    """A token with the algorithm `none`."""

    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def confused(key: Key, claims: dict[str, Any]) -> str:
    """A token whose HMAC was made with the public key, which everybody has."""
    told = f"{_part({'alg': 'HS256', 'kid': key.kid})}.{_part(claims)}"
    mac = hmac.new(key.as_pem(private=False), told.encode(), hashlib.sha256).digest()
    return f"{told}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextmanager
def providing(provider: Provider) -> Iterator[Provider]:
    """The provider on a port of its own, for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._told({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._told({name: values[0] for name, values in parse_qs(body).items()})

        def _told(self, form: dict[str, str]) -> None:
            status, document = provider.answer(self.path, form, self.headers.get("Authorization", ""))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
