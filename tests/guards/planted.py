"""Values that guards must find, drawn at random with check digits computed here, apart from the code under test."""

import string
from collections.abc import Callable
from random import Random

BASE62 = string.ascii_letters + string.digits
BASE64URL = BASE62 + "_-"
HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits


def drawn(random: Random, letters: str, count: int) -> str:
    """So many of these characters."""
    return "".join(random.choice(letters) for _ in range(count))


def digits(random: Random, count: int) -> str:
    """So many digits."""
    return drawn(random, string.digits, count)


def _email(random: Random) -> str:
    name = drawn(random, string.ascii_lowercase, random.randint(1, 12))
    return f"{name}{random.choice(['', '.x', '_1', '+tag'])}@{drawn(random, string.ascii_lowercase, 5)}.example.org"


def _phone(random: Random) -> str:
    code = random.choice(["49", "44", "33", "91", "351"])
    return f"+{code}{random.choice([' ', '-', ' ', ''])}{random.randint(2, 9)}{digits(random, 8)}"


def _iban(random: Random) -> str:
    """Germany's, whose check digits are 98 less the remainder of the number with DE00 at its end."""
    account = digits(random, 18)
    check = 98 - int(account + "131400") % 97
    compact = f"DE{check:02d}{account}"
    if random.random() < 0.5:
        return compact
    return " ".join(compact[at : at + 4] for at in range(0, 22, 4))


def _card(random: Random) -> str:
    body = "4" + digits(random, 14)
    total = sum(sum(map(int, str(2 * int(each)))) if index % 2 == 0 else int(each) for index, each in enumerate(body))
    number = f"{body}{-total % 10}"
    between = random.choice(["", " ", "-", "\u00a0"])
    return between.join(number[at : at + 4] for at in range(0, 16, 4))


def _ssn(random: Random) -> str:
    return f"{random.randint(100, 599)}-{random.randint(1, 99):02d}-{random.randint(1, 9999):04d}"


def _nhs(random: Random) -> str:
    while True:
        body = digits(random, 9)
        check = 11 - sum((10 - at) * int(each) for at, each in enumerate(body)) % 11
        if check != 10:
            number = body + str(check % 11)
            return f"{number[:3]} {number[3:6]} {number[6:]}"


def _nir(random: Random) -> str:
    body = f"{random.choice('12')}{digits(random, 2)}{random.randint(1, 12):02d}{digits(random, 8)}"
    return f"{body}{97 - int(body) % 97:02d}"


def _dni(random: Random) -> str:
    number = digits(random, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def _address(random: Random) -> str:
    return ".".join(str(random.randint(11, 126)) for _ in range(4))


def _private_key(random: Random) -> str:
    body = "\n".join(drawn(random, BASE62 + "+/", 24) for _ in range(2))
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"


def _jwt(random: Random) -> str:
    return f"eyJ{drawn(random, BASE64URL, 20)}.eyJ{drawn(random, BASE64URL, 30)}.{drawn(random, BASE64URL, 42)}A"


PERSONAL: dict[str, Callable[[Random], str]] = {
    "email": _email,
    "phone": _phone,
    "iban": _iban,
    "card": _card,
    "us_ssn": _ssn,
    "uk_nhs_number": _nhs,
    "french_nir": _nir,
    "spanish_id": _dni,
    "ip_address": _address,
}
"""One way a kind to draw a value of it."""

SECRET: dict[str, Callable[[Random], str]] = {
    "private_key": _private_key,
    "aws_key": lambda random: "AKIA" + drawn(random, UPPER, 16),
    "github_token": lambda random: "ghp_" + drawn(random, BASE62, 36),
    "slack_token": lambda random: "xoxb-" + drawn(random, string.digits, 12) + "-" + drawn(random, BASE62, 24),
    "google_key": lambda random: "AIza" + drawn(random, BASE64URL, 34) + "x",
    "jwt": _jwt,
    "modelyard_key": lambda random: f"my_{drawn(random, HEX, 12)}_{drawn(random, HEX, 64)}",
}
"""The same of secrets that say what they are."""

EVERY = {**PERSONAL, **SECRET}


def planted(random: Random) -> tuple[str, str, str]:
    """A short text, the value in it, and its kind."""
    kind = random.choice(sorted(EVERY))
    value = EVERY[kind](random)
    before = random.choice(["", "see ", "(", "it is: ", "a=b, ", "Ünder ", "\n- ", "3. ", "'"])
    after = random.choice(["", " and on", ".", ")", ", or", "\n", "'", "; 17"])
    return before + value + after, value, kind
