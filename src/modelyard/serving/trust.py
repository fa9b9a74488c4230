"""Whose bundles this server loads: what the feed says, as the room `inference` takes it."""

from collections.abc import Sequence

from modelyard.core.signing import PublicKey, public_key_of
from modelyard.inference import Trust
from modelyard.routing import Feed, FeedDamaged


def trust_of(feed: Feed) -> Trust:
    """Whom the feed says to trust; FeedDamaged when what it names is no key."""
    return Trust(feed.require_signed, _keys(feed.trusted_keys), _keys(feed.python_keys), feed.python_bundles)


def _keys(texts: Sequence[str]) -> tuple[PublicKey, ...]:
    try:
        return tuple(public_key_of(each) for each in texts)
    except ValueError as error:
        raise FeedDamaged(
            f"The feed names a public key that is none: {error}.",
            remedy="It is written anew by the next change of a route, and by: modelyard up.",
        ) from error
