"""A settings file is judged whole: every finding at once, with its line and the nearest name."""

from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from modelyard.core import InvalidInput
from modelyard.core.settings import Section, findings_of, overlay_environment, read_yaml, report


class Serving(Section):
    port: int = 8080
    host: str = "127.0.0.1"


class File(Section):
    project: str
    serving: Serving = Serving()
    named: dict[str, Serving] = Field(default_factory=dict)


def test_every_finding_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    """An unknown key, a wrong type and a missing section come together, in the order of the file."""
    file = tmp_path / "modelyard.yaml"
    file.write_text("serving:\n  prot: 1\n  port: many\nnamed:\n  a:\n    hots: x\n")
    document = read_yaml(file)
    with pytest.raises(ValidationError) as caught:
        File.model_validate(document.data)
    error = report(file, findings_of(caught.value, document, File))
    assert error.context["findings"] == [
        {"line": 1, "path": "project", "message": "is required"},
        {"line": 2, "path": "serving.prot", "message": "unknown key 'prot'; did you mean 'port'?"},
        {
            "line": 3,
            "path": "serving.port",
            "message": "input should be a valid integer, unable to parse string as an integer (got 'many')",
        },
        {"line": 6, "path": "named.a.hots", "message": "unknown key 'hots'; did you mean 'host'?"},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "modelyard.yaml:2: not YAML"),
        ("- a\n", "is a mapping of sections"),
        ("a: 1\nb: 2\na: 3\n", r"modelyard.yaml:3: a: 'a' is written twice; the first is on line 1"),
        ("a: 1\nb: {c: !!python/object:os.system x}\n", r"modelyard.yaml:2: b.c: is no value: could not determine"),
        ("a: 2026-13-01\n", "modelyard.yaml:1: a: is no value: month must be in 1..12"),
        (f"a: 1\nb: {'[' * 50_000}", "modelyard.yaml:2: nested more than 100 deep"),
        ("a:\n" + "- " * 50_000, "modelyard.yaml:2: nested more than 100 deep"),
        ("a: &a [*a, *a, *a]\n", "modelyard.yaml:1: nested more than 100 deep"),
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
         + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise("abcdefgh")),
         "modelyard.yaml:.: more than 200000 values"),
    ],
)  # fmt: skip
def test_what_is_no_mapping_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Broken YAML, a list, a key written twice, and what would take all memory are errors, not guesses."""
    file = tmp_path / "modelyard.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_yaml(file)


def test_an_empty_file_is_an_empty_mapping_and_a_missing_one_an_error(tmp_path: Path) -> None:
    """Nothing written means nothing set."""
    file = tmp_path / "modelyard.yaml"
    with pytest.raises(InvalidInput, match="Cannot read"):
        read_yaml(file)
    file.write_text("")
    assert read_yaml(file).data == {}


def test_the_environment_goes_over_the_file() -> None:
    """Variables are found by section and key, read as YAML scalars, and named as the origin."""
    data: dict[str, object] = {"serving": {"port": 1}}
    used = overlay_environment(data, {"MODELYARD_SERVING_PORT": "9090"}, [("serving", "port"), ("serving", "host")])
    assert data == {"serving": {"port": 9090}}
    assert used == {"serving.port": "MODELYARD_SERVING_PORT"}
