"""The order in which somebody is shown a queue: shuffled, and worked out one place at a time."""

from hashlib import sha256

_ROUNDS = 4


def place_in_order(place: int, count: int, key: str) -> int:
    """Which of `count` comes at `place`, both counted from 0, in an order that the key alone decides: a permutation.

    A Feistel network over the next power of four, walked until it comes back among the `count` (Black and Rogaway,
    *Ciphers with arbitrary finite domains*, 2002), so that no list of 10,000 is made to know one of them. Good for
    showing people things in an order that tells nothing; not for keeping secrets.
    """
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = place >> half, place & mask
        for turn in range(_ROUNDS):
            drawn = sha256(f"{key}/{turn}/{right}".encode()).digest()
            left, right = right, left ^ (int.from_bytes(drawn[:8]) & mask)
        place = left << half | right
        if place < count:
            return place
