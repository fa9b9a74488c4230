"""Whether an address is this machine's own, and whether it is safe to say something there."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host as people write it, `localhost`, `127.0.0.1` or `::1`, cannot be reached from elsewhere.

    Other names are not: what they mean is decided elsewhere, and may be another thing tomorrow.
    """
    bare = host.strip("[]")
    if bare.lower() == "localhost":
        return True
    try:
        return ip_address(bare).is_loopback
    except ValueError:
        return False


def is_safe_address(address: str) -> bool:
    """Whether nobody on the way can read or change what is said at a URL: it is https, or stays on this machine."""
    parts = urlsplit(address)
    if not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
