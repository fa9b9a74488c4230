"""Every command and every setting is documented, and the generated pages are those of this code."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from modelyard.cli.root import NOUNS, root
from modelyard.operations import Operation

from .commands import missing
from .modules import modules_of
from .settings import sections, settings

REPOSITORY = Path(__file__).parents[2]
REFERENCE = REPOSITORY / "docs" / "reference"
PAGES = (
    "alerts.md", "benchmarks.md", "cli.md", "environment.md", "errors.md", "expressions.md", "metrics.md",
    "pipeline-rules.md", "project-file.md",
)  # fmt: skip
"""The pages that docs/generate.py makes."""


def commands() -> dict[tuple[str, str], click.Command]:
    """Every command by noun and verb; the verb is empty where the noun is the command."""
    context = click.Context(root)
    found: dict[tuple[str, str], click.Command] = {}
    for noun in NOUNS:
        command = root.get_command(context, noun)
        assert command is not None
        found |= {(noun, " ".join(verb)): each for verb, each in below(command).items()}
    return found


def below(command: click.Command, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """The commands of a group by the words that lead to them; a command itself when it is no group."""
    if not isinstance(command, click.Group):
        return {path: command}
    own: dict[tuple[str, ...], click.Command] = {path: command} if command.invoke_without_command else {}
    return own | {
        words: leaf for name, each in command.commands.items() for words, leaf in below(each, (*path, name)).items()
    }


def test_the_generated_pages_are_those_of_this_code(tmp_path: Path) -> None:
    """After a change of a command or a setting: .venv/bin/python docs/generate.py."""
    subprocess.run([sys.executable, REPOSITORY / "docs" / "generate.py", tmp_path], check=True)
    fresh = {page.name: page.read_text() for page in tmp_path.iterdir()}
    assert sorted(fresh) == sorted(PAGES)
    assert {name: (REFERENCE / name).read_text() for name in fresh} == fresh


def test_every_command_is_documented_with_every_parameter() -> None:
    """Its heading, a sentence, and each flag and argument."""
    page = (REFERENCE / "cli.md").read_text()
    parts = {part.partition("`")[0]: part for part in re.split(r"^##+ `modelyard ", page, flags=re.MULTILINE)}
    for (noun, verb), command in commands().items():
        part = parts[f"{noun} {verb}".strip()]
        assert command.help
        assert command.help.splitlines()[0] in part
        spellings = [
            each for parameter in command.params if isinstance(parameter, click.Option) for each in parameter.opts
        ]
        assert [each for each in spellings if f"`{each}`" not in part] == []


def test_every_option_says_what_it_is_for() -> None:
    """`--help` explains each."""
    silent = [
        (*name, parameter.name)
        for name, command in commands().items()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def test_every_operation_is_a_command_and_says_what_it_does() -> None:
    """What the operations table knows can be typed."""
    found = {
        id(each): each
        for module in modules_of("operations")
        for each in vars(module).values()
        if isinstance(each, Operation)
    }
    assert found
    assert {(each.noun, each.verb) for each in found.values()} <= set(commands())
    assert all(each.summary.endswith(".") for each in found.values())


def test_a_noun_says_the_same_alone_and_in_the_list() -> None:
    """The list of commands is written by hand, so that listing imports none of them."""
    context = click.Context(root)
    groups = {noun: root.get_command(context, noun) for noun in NOUNS}
    differing = {noun for noun, each in groups.items() if isinstance(each, click.Group) and each.help != NOUNS[noun]}
    assert differing == set()


def test_every_setting_is_documented() -> None:
    """Its dotted path has a row."""
    page = (REFERENCE / "project-file.md").read_text()
    rows = [path for path, field in settings().items() if "." in path or not list(sections(field.annotation))]
    assert [path for path in rows if f"| `{path}` |" not in page] == []
    assert [section for section in settings() if "." not in section and f"## `{section}`" not in page] == []


def test_every_setting_has_a_description() -> None:
    """A section may be described by its model; a single setting describes itself."""
    silent = {
        path
        for path, field in settings().items()
        if not field.description and not all_documented([model for _, model in sections(field.annotation)])
    }
    assert not silent


def all_documented(models: list[type]) -> bool:
    """Whether there are models and each has a docstring of its own."""
    return bool(models) and all((vars(model).get("__doc__") or "").strip() for model in models)


def test_the_readme_names_every_noun() -> None:
    """The table of faces is complete."""
    text = (REPOSITORY / "README.md").read_text()
    assert [noun for noun in NOUNS if f"`{noun}`" not in text] == []


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_commands_in_sentences_exist(page: Path) -> None:
    """Except in the table that marks what is planned."""
    if page.name == "contracts.md":
        return
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    written = re.findall(r"(?<!#)(?<!# )`(modelyard [a-z][^`\n]*)`", re.sub(r"^#.*$", "", prose, flags=re.MULTILINE))
    assert {each: missing(each) for each in written if missing(each)} == {}
