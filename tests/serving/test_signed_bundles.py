"""A server that asks for signatures loads nothing else, says why, and goes on with what it has."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest, canonical_json
from modelyard.core.signing import PRIVATE_FILE, PrivateKey, PublicKey, make_key_pair, read_private_key
from modelyard.inference import INFO_FILE, SIGNATURES_FILE, sign_bundle, verify_bundle
from modelyard.routing import Arm, Feed, Route

from ..inference.bad_bundles import python_bundle
from .harness import Server

CODE = """
class Model:
    def predict(self, rows):
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""


class Strict:
    """A server, the key it trusts, and what it is told."""

    def __init__(self, folder: Path) -> None:
        (folder / "server").mkdir()
        self.server = Server(folder / "server")
        self.key, self.other = key_in(folder / "key"), key_in(folder / "other")
        self.revision = 0

    def put(self, bundle: Path, *keys: PrivateKey, name: str) -> Digest:
        """A bundle beside the feed, signed by these keys; `name` is its folder's."""
        copied = Path(shutil.copytree(bundle, self.server.folder / name))
        _, digest = verify_bundle(copied)
        for each in keys:
            sign_bundle(copied, digest, each)
        self.server.feed.put_bundle(copied, digest)
        return digest

    def publish(self, bundle: Digest, generation: int, *, signed: bool = True, python: bool = False) -> None:
        """A route of one bundle; `python` lets the code run that our key has signed."""
        self.revision += 1
        route = Route(
            "fraud", "fraud", generation, (Arm("live", "live", str(generation), bundle, 1.0),), "salt", clock="request"
        )
        keys = told(self.key.public)
        feed = Feed(self.revision, (route,), require_signed=signed, trusted_keys=keys, python_keys=keys * python)
        self.server.feed.publish(feed)

    def why_not(self, bundle: Digest) -> str | None:
        """What the server says of a bundle it does not load, or would not load again; None while it says nothing."""
        newest = [each for each in self.server.statuses() if each.feed_revision == self.revision]
        arms = [arm for status in newest for arm in status.arms]
        return next((arm.why_not for arm in arms if arm.why_not or arm.bundle == bundle), None)

    def until_told(self, bundle: Digest) -> str:
        """The same, once the newest feed has been looked at."""
        self.server.until(lambda: self.why_not(bundle) is not None)
        return self.why_not(bundle) or ""


def key_in(folder: Path) -> PrivateKey:
    """A fresh key."""
    make_key_pair(folder)
    return read_private_key(folder / PRIVATE_FILE)


def renamed(bundle: Path, into: Path) -> Path:
    """The same model under another version's name, and so another bundle."""
    shutil.copytree(bundle, into)
    document = json.loads((into / INFO_FILE).read_bytes())
    (into / INFO_FILE).write_bytes(canonical_json({**document, "version": "another"}))
    return into


def told(*keys: PublicKey) -> tuple[str, ...]:
    """Keys as feeds have them."""
    return tuple(each.text for each in keys)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Strict]:
    """The server, not started yet."""
    made = Strict(tmp_path)
    yield made
    if made.server.process is not None:
        made.server.stop(signal.SIGTERM)


def test_what_is_not_signed_by_a_trusted_key_is_refused_and_the_last_good_route_stays(
    strict: Strict, built: BuiltBundle, tmp_path: Path
) -> None:
    """Missing, by a key that is not trusted, altered after; each time requests go on, and a signature mends it."""
    good = strict.put(built.path, strict.key, name="good")
    strict.publish(good, 1)
    strict.server.start()
    row = {"amount": 120.0, "country": "de"}
    assert strict.server.predict(**row)[0] == 200
    bad = strict.put(renamed(built.path, tmp_path / "renamed"), name="bad")
    folder = strict.server.feed.bundle_path(bad)
    strict.publish(bad, 2)
    assert "is not signed; trusted: " + strict.key.public.id in strict.until_told(bad)
    sign_bundle(folder, bad, strict.other)
    strict.publish(bad, 3)
    assert f"signed by {strict.other.public.id} alone" in strict.until_told(bad)
    sign_bundle(folder, bad, strict.key)
    right = (folder / SIGNATURES_FILE).read_bytes()
    (folder / SIGNATURES_FILE).write_bytes(right[:-20] + right[-20:].swapcase())
    strict.publish(bad, 4)
    assert "signatures.json" in strict.until_told(bad)
    code, answer = strict.server.predict(**row)
    assert (code, answer["model_version"]) == (200, "1")
    (folder / SIGNATURES_FILE).write_bytes(right)
    strict.publish(bad, 4)
    strict.server.until(lambda: strict.server.predict(**row)[1]["model_version"] == "4")


def test_a_served_bundle_that_is_trusted_no_more_goes_on_and_is_told(strict: Strict, built: BuiltBundle) -> None:
    """Nobody is left without an answer by a changed list of keys; a server that starts then loads it no more."""
    digest = strict.put(built.path, strict.other, name="good")
    strict.publish(digest, 1, signed=False)
    strict.server.start()
    strict.publish(digest, 1)
    assert "served, but not to be loaded again" in strict.until_told(digest)
    assert strict.server.predict(amount=1.0)[0] == 200
    strict.publish(digest, 2)
    strict.server.until(lambda: "alone, which is not trusted" in (strict.why_not(digest) or ""))
    assert strict.server.predict(amount=1.0)[1]["model_version"] == "1"
    strict.server.stop()
    strict.server.start_unready()
    assert strict.server.predict(amount=1.0)[0] == 503
    sign_bundle(strict.server.feed.bundle_path(digest), digest, strict.key)
    strict.publish(digest, 2)
    strict.server.until(lambda: strict.server.predict(amount=1.0)[0] == 200)


def test_code_runs_once_the_workspaces_key_has_signed_it(strict: Strict, tmp_path: Path) -> None:
    """Trusting a key for loading permits no code; both together do, and a feed that is no feed changes nothing."""
    digest = strict.put(python_bundle(tmp_path / "code", CODE), strict.other, name="code")
    strict.publish(digest, 1, signed=False, python=True)
    strict.server.start_unready()
    assert "not permitted" in strict.until_told(digest)
    sign_bundle(strict.server.feed.bundle_path(digest), digest, strict.key)
    strict.publish(digest, 1, python=False)
    assert "not permitted" in strict.until_told(digest)
    strict.publish(digest, 1, python=True)
    strict.server.until(lambda: strict.server.predict(f0=0.0, f1=0.5, f2=0.0)[0] == 200)
    route = Route("fraud", "fraud", 9, (Arm("live", "live", "9", digest, 1.0),), "salt", clock="request")
    strict.server.feed.publish(Feed(99, (route,), require_signed=True, trusted_keys=("no key",)))
    log = strict.server.folder / "server.log"
    strict.server.until(lambda: "feed refused" in log.read_text())
    assert strict.server.predict(f0=0.0, f1=0.5, f2=0.0)[1]["model_version"] == "1"


def test_with_no_key_to_trust_nothing_is_loaded(strict: Strict, built: BuiltBundle) -> None:
    """A feed that asks for signatures and names nobody closes the door, not opens it."""
    digest = strict.put(built.path, strict.key, name="good")
    route = Route("fraud", "fraud", 1, (Arm("live", "live", "1", digest, 1.0),), "salt", clock="request")
    strict.server.feed.publish(Feed(1, (route,), require_signed=True))
    strict.revision = 1
    strict.server.start_unready()
    assert "trusted: nobody" in strict.until_told(digest)
