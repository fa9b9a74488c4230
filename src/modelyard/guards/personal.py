"""Personal data: what names a person, an account or a machine of hers, told by shape and, where there is one, by check
digits. Numbers may be written in groups, with spaces (also ones that do not break) or hyphens between."""

import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress

from . import checkdigits
from .grammar import Chars, Grammar, maybe, one_of, seq, times
from .patterns import NOT_A_DECIMAL, NOT_INSIDE_A_WORD, PART_FOLLOWS, Confirm, Pattern, PatternGuard

DIGIT = Chars("0-9")
LETTER = Chars("A-Za-z")
ALNUM = Chars("A-Za-z0-9")
HEX = Chars("0-9A-Fa-f")
SPACE = Chars(r" \u00a0\u2009\u202f")
HYPHEN = Chars(r"\-\u2010-\u2013")
POINT = Chars(".")

# E.164 country codes that the ITU has assigned (Operational Bulletin 1114, annex), without those kept in reserve.
_COUNTRY_CODES_TEXT = """
1 7 20 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242
243 244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 27 290 291 297
298 299 30 31 32 33 34 350 351 352 353 354 355 356 357 358 359 36 370 371 372 373 374 375 376 377 378 379 380 381 382
383 385 386 387 389 39 40 41 420 421 423 43 44 45 46 47 48 49 500 501 502 503 504 505 506 507 508 509 51 52 53 54 55
56 57 58 590 591 592 593 594 595 596 597 598 599 60 61 62 63 64 65 66 670 672 673 674 675 676 677 678 679 680 681 682
683 685 686 687 688 689 690 691 692 800 808 81 82 84 850 852 853 855 856 86 870 878 880 881 882 883 886 888 90 91 92
93 94 95 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 98 992 993 994 995 996 998
"""
_COUNTRY_CODES = frozenset(_COUNTRY_CODES_TEXT.split())
_NORTH_AMERICAN = re.compile(r"\+1(?:[^0-9]*[0-9]){10}")
_NORTH_AMERICAN_DIGITS = re.compile(r"1[2-9][0-9]{2}[2-9][0-9]{6}")
_NOT_ALNUM = re.compile(r"[^A-Za-z0-9]")


def _compact(candidate: str) -> str:
    return _NOT_ALNUM.sub("", candidate)


def checked(check: Callable[[str], bool]) -> Confirm:
    """The whole candidate when its letters and digits pass."""

    def confirm(candidate: str) -> tuple[int, int] | None:
        return (0, len(candidate)) if check(_compact(candidate)) else None

    return confirm


def _iban(candidate: str) -> tuple[int, int] | None:
    """The candidate as far as an IBAN of that country goes: a word may stand behind that looks like one more group."""
    length = checkdigits.IBAN_LENGTH.get(candidate[:2].upper(), 0)
    places = [index for index, each in enumerate(candidate) if each.isalnum()]
    if not 0 < length <= len(places):
        return None
    end = places[length - 1] + 1
    if candidate[end : end + 1].isalnum() or not checkdigits.is_iban(_compact(candidate[:end])):
        return None
    return 0, end


def _phone(candidate: str) -> tuple[int, int] | None:
    """The candidate when its country code is assigned; in North America the eleven digits that a number has there."""
    digits = _compact(candidate)
    if digits[0] == "1":
        found = _NORTH_AMERICAN.match(candidate)
        if found is None or not _NORTH_AMERICAN_DIGITS.match(digits) or candidate[found.end() :][:1].isdigit():
            return None
        return found.span()
    assigned = any(digits[:length] in _COUNTRY_CODES for length in (1, 2, 3))
    return (0, len(candidate)) if assigned else None


def _address(candidate: str) -> tuple[int, int] | None:
    """An address that may be somebody's: not of this very machine, of nobody or of all."""
    with suppress(ValueError):
        address = ipaddress.ip_address(candidate)
        if not (address.is_loopback or address.is_unspecified or str(address) == "255.255.255.255"):
            return 0, len(candidate)
    return None


def _address6(candidate: str) -> tuple[int, int] | None:
    """The same of IPv6, where some digit and a group of three and more tell it from names such as `a::b`."""
    plain = candidate[:-1] if candidate.endswith(":") and not candidate.endswith("::") else candidate
    if not any(each.isdigit() for each in plain) or max(map(len, plain.split(":"))) < 3:
        return None
    return _address(plain)


def _groups(separator: Grammar, *sizes: int) -> Grammar:
    first, *others = sizes
    return seq(times(DIGIT, first), *(seq(separator, times(DIGIT, size)) for size in others))


def _numbers(
    kind: str, check: Callable[[str], bool], *sizes: int, together: bool = True, hyphens: bool = True
) -> list[Pattern]:
    """A number of these groups, between which one kind of separator stands, or, when it is known `together`, none."""
    confirm = checked(check)
    shapes = [_groups(SPACE, *sizes), *([_groups(HYPHEN, *sizes)] if hyphens else [])]
    if together:
        shapes.append(times(DIGIT, sum(sizes)))
    return [Pattern(kind, each, confirm, NOT_A_DECIMAL) for each in shapes]


def _emails() -> list[Pattern]:
    """An address as RFC 5321 bounds it: 64 characters, @, labels of at most 63, the last without digits."""
    label = times(Chars(r"\w\-"), 1, 63)
    ending = one_of(times(Chars(r"^\W\d_"), 2, 24), seq("xn--", times(ALNUM, 1, 59)))
    address = seq(Chars(r"\w"), times(Chars(r"\w.%+'\-"), 0, 63), "@", times(seq(label, POINT), 1, 8), ending)
    return [Pattern("email", address, needs=("@",))]


def _phones() -> list[Pattern]:
    """E.164: a plus sign and 8 to 15 digits, between which spaces, hyphens, points, slashes and brackets may stand."""
    between = times(Chars(r" \u00a0\u2009\u202f.()/\-\u2010-\u2013"), 0, 2)
    return [
        Pattern(
            "phone", seq("+", Chars("1-9"), times(seq(between, DIGIT), 7, 14)), _phone, never_before=(), needs=("+",)
        )
    ]


def _ibans() -> list[Pattern]:
    start = seq(times(LETTER, 2), times(DIGIT, 2))
    shapes = [seq(start, times(ALNUM, 11, 30))]
    for between in (SPACE, HYPHEN):
        group = seq(between, times(ALNUM, 4))
        shapes.append(seq(start, times(group, 2, 7), maybe(seq(between, times(ALNUM, 1, 3)))))
    return [Pattern("iban", each, _iban, NOT_INSIDE_A_WORD) for each in shapes]


def _cards() -> list[Pattern]:
    confirm = checked(checkdigits.is_card)
    together = [Pattern("card", times(DIGIT, 14, 19), confirm, NOT_A_DECIMAL)]
    grouped = [(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)]
    shapes = [_groups(between, *sizes) for sizes in grouped for between in (SPACE, HYPHEN)]
    return together + [Pattern("card", each, confirm, NOT_A_DECIMAL) for each in shapes]


def _national() -> list[Pattern]:
    """Numbers that states give to persons; those of which many a number is one, only in their groups."""
    return [
        *_numbers("us_ssn", checkdigits.is_us_ssn, 3, 2, 4, together=False),
        *_numbers("german_tax_id", checkdigits.is_german_tax_id, 2, 3, 3, 3, hyphens=False),
        *_numbers("uk_nhs_number", checkdigits.is_nhs_number, 3, 3, 4, together=False, hyphens=False),
        *_french(),
        *_spanish(),
        _italian(),
        _dotted("brazilian_cpf", checkdigits.is_cpf, (3, 3, 3), HYPHEN, (2,)),
        _dotted("belgian_number", checkdigits.is_belgian_number, (2, 2, 2), HYPHEN, (3, 2)),
        _dotted("swiss_ahv", checkdigits.is_swiss_ahv, (3, 4, 4, 2)),
        Pattern("swiss_ahv", seq("756", times(DIGIT, 10)), checked(checkdigits.is_swiss_ahv), NOT_A_DECIMAL),
        Pattern(
            "swedish_number",
            seq(times(DIGIT, 6), one_of(HYPHEN, "+"), times(DIGIT, 4)),
            checked(checkdigits.is_swedish_number),
            NOT_A_DECIMAL,
        ),
    ]


def _dotted(
    kind: str,
    check: Callable[[str], bool],
    sizes: tuple[int, ...],
    between: Grammar | None = None,
    others: tuple[int, ...] = (),
) -> Pattern:
    """A number with points between its groups, and perhaps another separator before the last of them."""
    shape = _groups(POINT, *sizes)
    if between is not None:
        shape = seq(shape, between, _groups(POINT, *others))
    return Pattern(kind, shape, checked(check), NOT_A_DECIMAL)


def _french() -> list[Pattern]:
    department = one_of(times(DIGIT, 2), seq("2", Chars("ABab")))
    parts = (Chars("12"), times(DIGIT, 2), times(DIGIT, 2), department, times(DIGIT, 3), times(DIGIT, 3))
    shapes = [seq(*parts, times(DIGIT, 2))]
    spaced = seq(*(seq(each, SPACE) for each in parts), times(DIGIT, 2))
    return [
        Pattern("french_nir", each, checked(checkdigits.is_french_nir), NOT_A_DECIMAL) for each in [*shapes, spaced]
    ]


def _spanish() -> list[Pattern]:
    check, hyphen = checked(checkdigits.is_spanish_id), maybe(HYPHEN)
    shapes = [
        seq(times(DIGIT, 8), hyphen, LETTER),
        seq(Chars("XYZxyz"), hyphen, times(DIGIT, 7), hyphen, LETTER),
    ]
    return [Pattern("spanish_id", each, check, NOT_A_DECIMAL) for each in shapes]


def _italian() -> Pattern:
    """Where two people would get the same code, digits are replaced by letters."""
    digit = Chars("0-9LMNPQRSTUVlmnpqrstuv")
    shape = seq(
        times(LETTER, 6), times(digit, 2), Chars("ABCDEHLMPRSTabcdehlmprst"), times(digit, 2), LETTER, times(digit, 3),
        LETTER,
    )  # fmt: skip
    return Pattern("codice_fiscale", shape, checked(checkdigits.is_codice_fiscale), NOT_INSIDE_A_WORD)


def _addresses() -> list[Pattern]:
    """IPv4 of exactly four parts; IPv6 (RFC 4291) that begins with a group."""
    number = times(DIGIT, 1, 3)
    v4 = seq(number, times(seq(POINT, number), 3))
    v6 = seq(times(HEX, 1, 4), ":", times(seq(times(HEX, 0, 4), ":"), 1, 6), times(HEX, 0, 4))
    return [
        Pattern("ip_address", v4, _address, (*NOT_INSIDE_A_WORD, r"\."), PART_FOLLOWS),
        Pattern("ip_address", v6, _address6, (*NOT_INSIDE_A_WORD, ":"), needs=(":",)),
    ]


def personal_data() -> PatternGuard:
    """Finds `email`, `phone`, `iban`, `card`, `ip_address` and numbers that states give to persons.

    Of values with a check digit only those are found that pass; of numbers without, only those in their usual groups.
    Not found: names, addresses, numbers of telephones without country code, values in other scripts' digits.
    """
    families = (_emails, _phones, _ibans, _cards, _national, _addresses)
    return PatternGuard("personal_data", tuple(each for family in families for each in family()))
