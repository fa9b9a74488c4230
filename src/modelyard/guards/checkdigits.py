"""Check digits: what tells a number that was issued from one that only looks like it.

Each takes letters and digits without separators. What a random number passes at is in each docstring.
"""

from datetime import date
from math import log2

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_CODICE_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)

# Lengths by the SWIFT registry of IBANs (ISO 13616-1).
_IBAN_LENGTHS = {
    length: countries.split()
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FK FI FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "FR GR IT MC MR SM BI DJ",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
}
IBAN_LENGTH = {country: length for length, countries in _IBAN_LENGTHS.items() for country in countries}
"""How many letters and digits an IBAN of a country has."""

# Ranges of issuers: first and last prefix, and lengths (ISO/IEC 7812-1, and what the networks publish). Visa's
# thirteen digits are left out: they are no longer issued, and one in ten of the articles that begin with 4 (EAN-13)
# would be taken for one.
_ISSUERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("4", "4", (16, 19)),
    ("51", "55", (16,)),
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),
    ("37", "37", (15,)),
    ("6011", "6011", (16, 19)),
    ("644", "659", (16, 19)),
    ("300", "305", (14, 16, 19)),
    ("36", "36", (14, 16, 19)),
    ("38", "39", (14, 16, 19)),
    ("3528", "3589", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),
    ("5018", "5018", (16, 17, 18, 19)),
    ("5020", "5020", (16, 17, 18, 19)),
    ("5038", "5038", (16, 17, 18, 19)),
    ("6304", "6304", (16, 17, 18, 19)),
    ("6759", "6763", (16, 17, 18, 19)),
)


def luhn(digits: str) -> bool:
    """Luhn's sum (ISO/IEC 7812-1, annex B): every second digit from the right doubled. One in ten pass."""
    doubled = (sum(divmod(2 * int(each), 10)) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def is_card(digits: str) -> bool:
    """A number in the range and of a length that a card network issues, with Luhn's sum. One in ten of those ranges."""
    in_range = any(
        first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in _ISSUERS
    )
    return in_range and luhn(digits)


def is_iban(compact: str) -> bool:
    """An IBAN of its country's length whose remainder by 97 is 1 (ISO 13616-1, ISO 7064 MOD 97-10). One in 97 pass."""
    compact = compact.upper()
    if IBAN_LENGTH.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(each, 36)) for each in compact[4:] + compact[:4])) % 97 == 1


def is_us_ssn(digits: str) -> bool:
    """A United States social security number that can have been issued: it has no check digit, only numbers that are
    none (area 000, 666, 900-999, group 00, serial 0000; Social Security Administration, RM 10201.035)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_german_tax_id(digits: str) -> bool:
    """A German tax number of a person: of the first ten digits one occurs twice or thrice, the others at most once, and
    the last is by ISO 7064 MOD 11,10 (Bundeszentralamt für Steuern). One in 300 numbers of eleven digits pass."""
    first = digits[:10]
    counts = sorted((first.count(each) for each in set(first)), reverse=True)
    if digits[0] == "0" or counts[0] not in {2, 3} or counts[1] != 1 or _in_a_row(first):
        return False
    product = 10
    for each in first:
        total = (int(each) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == int(digits[10])


def _in_a_row(digits: str) -> bool:
    """Whether a digit stands three times in a row, which is never issued."""
    return any(digits[i] == digits[i + 1] == digits[i + 2] for i in range(len(digits) - 2))


def is_french_nir(number: str) -> bool:
    """A French social security number of 13 and 2 digits: key = 97 - number mod 97, where Corsica's 2A and 2B count as
    19 and 18; a month in 01-12, 20-42 or 50-99 (INSEE, décret 82-103). One in some 500 of those with 1 or 2 pass."""
    body = number[:13].upper().replace("2A", "19", 1) if number[5:7].upper() == "2A" else number[:13].upper()
    if number[5:7].upper() == "2B":
        body = body.replace("2B", "18", 1)
    month = int(number[3:5])
    if not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50) or not body.isdigit():
        return False
    return 97 - int(body) % 97 == int(number[13:])


def is_nhs_number(digits: str) -> bool:
    """A number of the National Health Service: weights 10 to 2, modulo 11 (NHS data dictionary). One in eleven pass."""
    check = 11 - sum(int(each) * weight for each, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check % 11 == int(digits[9]) and check != 10 and digits[:9] != "0" * 9


def is_spanish_id(compact: str) -> bool:
    """A Spanish DNI (8 digits) or NIE (X, Y or Z and 7) whose letter is the remainder by 23 (Real Decreto 1553/2005).
    One in 23 pass."""
    compact = compact.upper()
    number = compact[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI[int(number) % 23] == compact[-1]


def is_codice_fiscale(compact: str) -> bool:
    """An Italian fiscal code whose last letter is the weighted sum by 26 (Decreto ministeriale 23 dicembre 1976). One
    in 26 of that shape pass."""
    compact = compact.upper()
    values = [LETTERS.find(each) if each.isalpha() else int(each) for each in compact[:15]]
    total = sum(_CODICE_ODD[value] for value in values[::2]) + sum(values[1::2])
    return LETTERS[total % 26] == compact[15]


def is_cpf(digits: str) -> bool:
    """A Brazilian CPF: two check digits modulo 11 (Receita Federal). One in a hundred pass."""
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(each) * weight for each, weight in zip(digits, range(length + 1, 1, -1), strict=False))
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def is_swiss_ahv(digits: str) -> bool:
    """A Swiss AHV number: 756 and a check digit as in EAN-13. One in ten of those that begin so pass."""
    total = sum(int(each) * (3 if index % 2 else 1) for index, each in enumerate(digits[:12]))
    return digits.startswith("756") and -total % 10 == int(digits[12])


def is_belgian_number(digits: str) -> bool:
    """A Belgian national number: 97 - first nine digits mod 97, with a 2 before them for who was born from 2000 on
    (Rijksregister). One in 49 of the dates pass."""
    if not (_is_day(digits[:6]) and "000" < digits[6:9] < "999"):
        return False
    return any(97 - int(born + digits[:9]) % 97 == int(digits[9:]) for born in ("", "2"))


def is_swedish_number(digits: str) -> bool:
    """A Swedish personal number of ten digits, a date and Luhn's sum; coordination numbers have the day + 60
    (Skatteverket, SKV 704). One in ten of the dates pass."""
    day = int(digits[4:6])
    return _is_day(digits[:4] + f"{day - 60 if day > 60 else day:02d}") and luhn(digits)


def _is_day(digits: str) -> bool:
    """Whether YYMMDD is a day of some century."""
    year, month, day = (int(digits[at : at + 2]) for at in (0, 2, 4))
    for century in (1900, 2000):
        try:
            date(century + year, month, day)
        except ValueError:
            continue
        return True
    return False


def information(text: str) -> float:
    """Bits of a text by the frequencies of its own characters (Shannon's entropy times its length). More characters
    never make it less."""
    counts = [text.count(each) for each in set(text)]
    return sum(count * log2(len(text) / count) for count in counts)
