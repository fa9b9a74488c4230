"""Whether an address is this machine's own."""

from ipaddress import ip_address


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
