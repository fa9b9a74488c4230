"""Who may send a form: tokens against forgery; and what is said of it on the next page."""

import base64
import hashlib
import hmac
import json
from typing import Literal

from modelyard.access import PermissionDenied, Principal

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every page. Styles may stand in a page, as Plotly and pictures write theirs; scripts may not."""

KEPT_APART = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
"""On files that steps wrote: whatever is in them runs nowhere and reaches nothing."""

Said = tuple[Literal["good", "bad"], str, str]
"""What became of a form: how it went, what is said of it, and what to do about it."""


class Seals:
    """Texts that only this process can have written; with it they end."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, principal: Principal) -> str:
        """What a form of this principal carries."""
        return self._seal(f"form:{principal.source}:{principal.name}")

    def check_token(self, principal: Principal, token: str) -> None:
        """Return when a form is of this principal and process; PermissionDenied otherwise."""
        if not hmac.compare_digest(self.token(principal).encode(), token.encode()):
            raise PermissionDenied(
                "The form is not one of this console's, or is of before it was last started.",
                code="FORGED_FORM",
                remedy="Load the page again, and send it from there.",
            )

    def seal_said(self, said: Said) -> str:
        """A message for the next page, as a cookie."""
        body = base64.urlsafe_b64encode(json.dumps([each[:600] for each in said]).encode()).decode()
        return f"{body}.{self._seal(f'said:{body}')}"

    def open_said(self, cookie: str | None) -> Said | None:
        """The message of a cookie that this process sealed."""
        body, _, seal = (cookie or "").partition(".")
        if not body or not hmac.compare_digest(self._seal(f"said:{body}").encode(), seal.encode()):
            return None
        kind, text, remedy = json.loads(base64.urlsafe_b64decode(body))
        return kind, text, remedy

    def _seal(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def own_path(path: str) -> str:
    """A path of this console, whatever was asked for: nobody is sent to another site from here."""
    own = path.startswith("/") and path[1:2] not in ("/", "\\") and path.isprintable()
    return path if own else "/"
