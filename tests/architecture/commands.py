"""Whether a command that someone wrote down exists."""

import re
from functools import lru_cache

import click
from click.testing import CliRunner

from modelyard.cli.root import NOUNS, root


def missing(written: str) -> list[str]:
    """What `modelyard NOUN [VERB] [--flag ...]` needs and does not have: the noun, the verb, or flags."""
    words = written.partition(" | ")[0].split()[1:]
    flags = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    if not words or words[0] not in NOUNS:
        return words[:1] or ["a noun"]
    path = words[:1]
    while (verbs := _verbs(path)) and not (len(words) > len(path) and words[len(path)].startswith("-") and _runs(path)):
        path = words[: len(path) + 1]
        if path[-1] not in verbs:
            return [" ".join(path)]
    shown = _flags_in_help(tuple(path))
    return [flag for flag in flags if flag not in shown]


def _verbs(path: list[str]) -> list[str]:
    command = root.get_command(click.Context(root), path[0])
    for word in path[1:]:
        command = command.commands[word] if isinstance(command, click.Group) else None
    return list(command.commands) if isinstance(command, click.Group) else []


def _runs(path: list[str]) -> bool:
    """Whether a group does something itself when no verb follows."""
    command = root.get_command(click.Context(root), path[0])
    return isinstance(command, click.Group) and len(path) == 1 and command.invoke_without_command


@lru_cache(maxsize=256)
def _flags_in_help(path: tuple[str, ...]) -> frozenset[str]:
    """The flags that `--help` of a command lists; it must end with 0."""
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0, result.output
    return frozenset(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", result.output))
