"""Personal fields before they go on record: hashed with a key, cut short, or left out."""

import numpy as np
import pytest

from modelyard.core import Scalar, Value
from modelyard.journal import REDACTED
from modelyard.routing import ServingPolicy
from modelyard.serving.concealing import hashed, truncated
from modelyard.serving.recording import logged_request
from modelyard.wiring import ProjectFile
from modelyard.wiring.project_file import with_privacy

ID = "01890000-0000-7000-8000-000000000000"
PEPPER = b"p" * 32


def test_equal_values_have_equal_hashes_and_nobody_can_try_them_out_without_the_pepper() -> None:
    """7 and "7" are two; nothing is hashed without a pepper: it is left out."""
    anna = hashed("anna", PEPPER)
    assert anna == hashed("anna", PEPPER)
    assert str(anna).startswith("hash:")
    assert len({anna, hashed("ben", PEPPER), hashed("anna", b"q" * 32), hashed(7, PEPPER), hashed("7", PEPPER)}) == 5
    assert hashed("anna", None) == REDACTED
    assert hashed(None, PEPPER) is None


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("79100", "791…"), ("ab", "ab"), ("", ""), (48.8566, 49.0), (-0.00127, -0.0013), (0.0, 0.0),
        (123456, 120000), (7, 7), (True, True), (None, None),
    ],
)  # fmt: skip
def test_what_is_cut_short_keeps_its_beginning_and_its_type(value: Scalar, kept: Scalar) -> None:
    """Three characters, two digits."""
    assert truncated(value) == kept
    assert type(truncated(value)) is type(value)


def test_each_field_is_changed_as_declared() -> None:
    """Whatever is not declared stays, tensors are never cut, and a field under two headings is left out."""
    policy = ServingPolicy(redact=("income", "both"), hash=("mail", "both", "face"), truncate=("postcode",))
    fields: dict[str, Value] = {
        "mail": "a@b.c",
        "postcode": "79100",
        "income": 5,
        "note": "x",
        "both": "y",
        "face": np.zeros(2),
    }
    told = dict(zip(fields, logged_request(ID, fields, policy, PEPPER), strict=True))
    assert told == {
        "mail": hashed("a@b.c", PEPPER), "postcode": "791…", "income": REDACTED, "note": "x", "both": REDACTED,
        "face": REDACTED,
    }  # fmt: skip
    assert policy.private == {"income", "both", "mail", "face", "postcode"}


def test_what_is_declared_for_the_project_holds_for_every_deployment() -> None:
    """Beside what a deployment declares itself; and where nothing is declared nothing changes."""
    file = ProjectFile.model_validate(
        {
            "project": "p",
            "privacy": {"columns": {"mail": "hash", "postcode": "truncate", "income": "drop"}},
            "deployments": {
                "a": {"model": "m@production", "serving": {"redact": ["age"]}},
                "b": {"model": "m@production"},
            },
        }
    )
    found = {name: each.serving.policy for name, each in with_privacy(file).deployments.items()}
    assert (found["a"].redact, found["b"].redact) == (("age", "income"), ("income",))
    assert {(each.hash, each.truncate) for each in found.values()} == {(("mail",), ("postcode",))}
    plain = ProjectFile.model_validate({"project": "p"})
    assert with_privacy(plain) is plain
