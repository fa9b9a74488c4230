"""Check digits against numbers that were published as examples, and against every way to mistype one digit."""

from collections.abc import Callable
from random import Random

import pytest
from tests.guards.planted import digits

from modelyard.guards import checkdigits

PUBLISHED: list[tuple[Callable[[str], bool], str]] = [
    (checkdigits.is_card, "4111111111111111"),
    (checkdigits.is_card, "5555555555554444"),
    (checkdigits.is_card, "2223003122003222"),
    (checkdigits.is_card, "378282246310005"),
    (checkdigits.is_card, "6011111111111117"),
    (checkdigits.is_card, "30569309025904"),
    (checkdigits.is_card, "3530111333300000"),
    (checkdigits.is_card, "6200000000000005"),
    (checkdigits.is_iban, "DE89370400440532013000"),
    (checkdigits.is_iban, "GB82WEST12345698765432"),
    (checkdigits.is_iban, "FR1420041010050500013M02606"),
    (checkdigits.is_iban, "CH9300762011623852957"),
    (checkdigits.is_iban, "NO9386011117947"),
    (checkdigits.is_iban, "MT84MALT011000012345MTLCAST001S"),
    (checkdigits.is_german_tax_id, "86095742719"),
    (checkdigits.is_french_nir, "255081416802538"),
    (checkdigits.is_nhs_number, "9434765919"),
    (checkdigits.is_spanish_id, "12345678Z"),
    (checkdigits.is_spanish_id, "X1234567L"),
    (checkdigits.is_codice_fiscale, "RSSMRA85T10A562S"),
    (checkdigits.is_cpf, "39053344705"),
    (checkdigits.is_swiss_ahv, "7569217076985"),
    (checkdigits.is_belgian_number, "85073003328"),
    (checkdigits.is_swedish_number, "8803200016"),
]


LENIENT = {checkdigits.is_cpf, checkdigits.is_belgian_number}


@pytest.mark.parametrize(("check", "number"), PUBLISHED)
def test_published_examples_pass_and_one_wrong_digit_does_not(check: Callable[[str], bool], number: str) -> None:
    """Most schemes notice every single wrong digit; CPF's folds 10 to 0, and Belgium's has two centuries to try."""
    assert check(number)
    wrong = [
        number[:at] + other + number[at + 1 :]
        for at, each in enumerate(number)
        for other in "0123456789"
        if each.isdigit() and other != each
    ]
    passed = [each for each in wrong if check(each)]
    assert len(passed) <= (len(wrong) // 20 if check in LENIENT else 0)


@pytest.mark.parametrize("number", ["000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000"])
def test_numbers_that_no_american_has_are_none(number: str) -> None:
    """Areas, groups and serials that are never issued."""
    assert not checkdigits.is_us_ssn(number.replace("-", ""))
    assert checkdigits.is_us_ssn("123456789")


RATES = [
    (checkdigits.luhn, 16, 0.1),
    (checkdigits.is_german_tax_id, 11, 0.0035),
    (checkdigits.is_nhs_number, 10, 1 / 11),
    (checkdigits.is_cpf, 11, 0.01),
]


@pytest.mark.parametrize(("check", "length", "expected"), RATES)
def test_so_many_random_numbers_pass(check: Callable[[str], bool], length: int, expected: float) -> None:
    """As the docstrings say: within four standard errors in 6,000."""
    random, count = Random(3), 6_000
    passed = sum(check(digits(random, length)) for _ in range(count))
    assert abs(passed / count - expected) < 4 * (expected / count) ** 0.5


def test_more_characters_are_never_less_information() -> None:
    """What a value that goes on later may rely on."""
    random = Random(4)
    for _ in range(200):
        text = "".join(random.choice("abAB12") for _ in range(30))
        bits = [checkdigits.information(text[:length]) for length in range(1, 31)]
        assert bits == sorted(bits)
