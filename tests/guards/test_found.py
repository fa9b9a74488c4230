"""What guards find, and what only looks like it."""

import pytest

from modelyard.guards import Action, Armed, check, personal_data, secrets

ARMED = [Armed(personal_data(), Action.REDACT), Armed(secrets(), Action.REDACT)]

FOUND = [
    ("Mail jane.doe+x@mail.example.co.uk.", "Mail [EMAIL]."),
    ("<jürgen@exämple.de>", "<[EMAIL]>"),
    ("call +49 (0)170 123-4567 today", "call [PHONE] today"),
    ("call +1 (212) 555-0123 2026", "call [PHONE] 2026"),
    ("IBAN de89 3704 0044 0532 0130 00 is mine", "IBAN [IBAN] is mine"),
    ("BE68 5390 0754 7034 FOR rent", "[IBAN] FOR rent"),
    ("GB82WEST12345698765432,", "[IBAN],"),
    ("4111 1111 1111 1111 2026", "[CARD] 2026"),
    ("4111\u00a01111\u00a01111\u00a01111", "[CARD]"),
    ("3782-822463-10005", "[CARD]"),
    ("1234 4111 1111 1111 1111", "1234 [CARD]"),
    ("SSN 123-45-6789", "SSN [US_SSN]"),
    ("86 095 742 719", "[GERMAN_TAX_ID]"),
    ("2 55 08 14 168 025 38", "[FRENCH_NIR]"),
    ("943 476 5919", "[UK_NHS_NUMBER]"),
    ("12345678-Z", "[SPANISH_ID]"),
    ("rssmra85t10a562s", "[CODICE_FISCALE]"),
    ("390.533.447-05", "[BRAZILIAN_CPF]"),
    ("756.9217.0769.85", "[SWISS_AHV]"),
    ("85.07.30-033.28", "[BELGIAN_NUMBER]"),
    ("880320-0016", "[SWEDISH_NUMBER]"),
    ("from 10.20.30.40:8080 and 2001:db8::8a2e:370:7334.", "from [IP_ADDRESS]:8080 and [IP_ADDRESS]."),
    ("AWS AKIAIOSFODNN7EXAMPLE", "AWS [AWS_KEY]"),
    ('"password": "a8Xk29Lq0Zr7",', '"password": "[SECRET]",'),
    ("export DB_PASSWORD=a8Xk29Lq0Zr7", "export DB_PASSWORD=[SECRET]"),
    ("client_secret_key := 'a8Xk29Lq0Zr7'", "client_secret_key := '[SECRET]'"),
    ("Authorization: Bearer 0123456789abcdefXY", "Authorization: Bearer [SECRET]"),
    ("redis://:open-sesame@cache:6379/0", "redis://:[URL_PASSWORD]@cache:6379/0"),
    ("sk-proj-" + "aB3" * 14, "[MODEL_PROVIDER_KEY]"),
    ("k: -----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIr-oops\\n", "k: [PRIVATE_KEY]"),
    ("a@b.co@c.de", "[EMAIL]"),
]


@pytest.mark.parametrize(("text", "redacted"), FOUND)
def test_it_is_found_and_no_more_than_it(text: str, redacted: str) -> None:
    """What stands beside it stays."""
    assert check(ARMED, text).text == redacted


NEAR_MISSES = [
    "order 1234567890123456 of 2026-01-05",  # no issuer's range
    "order 4111111111111112",  # Luhn
    "parcel 00340434161094042557",
    "EAN 4006381333931",
    "0.4111111111111111",  # a decimal fraction
    "1763820000000 milliseconds",
    "550e8400-e29b-41d4-a716-446655440000",
    "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2026-01-05T10:11:12.123456+01:00",
    "05.01.2026, 10:11:12, and 12:30:45:10",
    "version 1.2.3, 10.0.19041.1 and 3.11.7rc1",
    "OID 1.3.6.1.4.1.311",
    "127.0.0.1, 0.0.0.0 and ::1 are nobody's",
    "std::vector<a::b> and Foo::Bar",
    "MAC 00:1b:44:11:3a:b7",
    "user@localhost, @handle and me @ home",
    "x = a+12345678 - 1e+10",
    "IBAN DE89 3704 0044 0532 0130 01",
    "DE12 is a plate, SE24 hours of nothing",
    "000-12-3456 and 900-45-6789",
    "tel 212-555-0123",
    "pages 100-200-3000",
    "the password is: required",
    'secret_key = os.environ["SECRET_KEY"]',
    "token: str = Field(default=None)",
    "password=changeme password: ********",
    "max_tokens = 4096, token_count: 1234567890",
    "eyJhbGciOiJIUzI1NiJ9 alone",
    "AKIA is a prefix, and ghp_ too",
    "my_model_v2 and my_0123456789ab_key",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIE\n-----END CERTIFICATE-----",
    "a file begins with -----BEGIN PRIVATE KEY----- as a rule",
    "https://example.org/a:b/c?d=1 and http://[::1]:8080/",
    "sk-learn-contrib-extension-package-of-long-name",
    "[EMAIL] [CARD] password=[SECRET] [PRIVATE_KEY]",
]


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_what_only_looks_like_it_is_not_found(text: str) -> None:
    """Order numbers, dates, versions, digests, placeholders."""
    assert check(ARMED, text).findings == ()


def test_findings_hold_places_and_no_text() -> None:
    """Kind, guard, action and the place in the text as it came."""
    outcome = check(ARMED, "to a@b.co, 4111111111111111")
    assert [(each.guard, each.kind, each.start, each.end) for each in outcome.findings] == [
        ("personal_data", "email", 3, 9),
        ("personal_data", "card", 11, 27),
    ]
    assert "4111" not in repr(outcome)
    assert (outcome.verdict, outcome.refused) == ("fail", False)
