"""A terminal session, as a page shows it: commands typed one after another, and what they print."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelyard.control import free_ports

_ENDING = re.compile(r"\s+# exit (\d+)$")
_LASTING = re.compile(r"^modelyard (up|serve)\b")
_EMPTY_VALUE = re.compile(r'"(\w+)": "…"')
_MAKE = re.compile(r"^make [a-z-]+( \w+=\S+)*$")
SECONDS = 90
"""The longest a single command may take."""


@dataclass(frozen=True)
class Typed:
    """One command, the exit code that the page expects (`# exit 4` behind it), and the lines it shows."""

    command: str
    code: int
    shown: tuple[str, ...]


def typed(text: str, language: str) -> list[Typed]:
    """The commands of a `console` block (`$ ` before each, output between) or a `bash` block (a line each)."""
    lines = text.splitlines() if language == "console" else [f"$ {each}" for each in text.splitlines() if each.strip()]
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found:
            found[-1][1].append(line)
    return [_typed(command, shown) for command, shown in found]


def _typed(command: str, shown: list[str]) -> Typed:
    ending = _ENDING.search(command)
    code = int(ending[1]) if ending is not None else 0
    bare = _ENDING.sub("", command).replace(".venv/bin/", "")
    return Typed(bare, code, tuple(line for line in shown if line.strip()))


@dataclass
class Session:
    """Types commands in a folder. The server's ports are free ones, wherever the page says 8080 and 8082.

    `modelyard up` and `modelyard serve` run on beside what follows. In a command, `"name": "…"` stands for the value
    of that name in the last JSON answer, as a reader would copy it.
    """

    folder: Path
    port: int = field(init=False)
    grpc_port: int = field(init=False)
    metrics_port: int = field(init=False)
    control_port: int = field(init=False)
    console_port: int = field(init=False)
    answer: dict[str, Any] = field(default_factory=dict)
    lasting: list["subprocess.Popen[str]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port, self.grpc_port, self.metrics_port, self.control_port, self.console_port = free_ports(5)

    def type(self, line: Typed) -> None:
        """Type one command; AssertionError when it ends or prints otherwise than shown."""
        if _MAKE.match(line.command):
            return  # the targets are compared with the Makefile by a test of their own
        command = self._here(_EMPTY_VALUE.sub(self._copied, line.command))
        if _LASTING.match(command):
            self._begin(command, line)
            return
        result = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self._remember(result.stdout)
        assert result.returncode == line.code, f"$ {command}\n{result.stdout}\nended with {result.returncode}"
        self._compare(line, result.stdout)

    def close(self) -> None:
        """End what still runs, as Ctrl-C does."""
        for process in self.lasting:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        try:
            assert [process.wait(20) for process in self.lasting] == [0] * len(self.lasting)
        finally:
            for process in self.lasting:
                process.kill()
                process.communicate()

    def _begin(self, command: str, line: Typed) -> None:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lasting.append(process)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in line.shown or ("",)]
        self._compare(line, "".join(lines))

    def _environment(self) -> dict[str, str]:
        ports = {
            "MODELYARD_SERVER_PORT": str(self.port),
            "MODELYARD_SERVER_GRPC_PORT": str(self.grpc_port),
            "MODELYARD_SERVER_METRICS_PORT": str(self.metrics_port),
            "MODELYARD_CONTROL_METRICS_PORT": str(self.control_port),
            "MODELYARD_CONTROL_PORT": str(self.console_port),
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **ports, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}

    def _here(self, text: str) -> str:
        control = {":8083": self.control_port, ":8090": self.console_port}
        ports = {":8080": self.port, ":8082": self.metrics_port, **control}
        for written, port in ports.items():
            text = text.replace(written, f":{port}")
        return text

    def _copied(self, match: "re.Match[str]") -> str:
        return json.dumps({match[1]: self.answer[match[1]]})[1:-1]

    def _remember(self, output: str) -> None:
        try:
            answer = json.loads(output)
        except ValueError:
            return
        self.answer = answer if isinstance(answer, dict) else self.answer

    def _compare(self, line: Typed, output: str) -> None:
        if not line.shown:
            return
        expected = [self._here(each) for each in line.shown]
        shown = "\n".join(expected)
        assert prints(expected, output), f"$ {line.command}\nprinted\n{output}\nand the page shows\n{shown}"


def prints(expected: list[str], output: str) -> bool:
    """Whether an output has these lines, whatever its spacing.

    `...` or `…` stands for anything inside a line, and a line of its own for any lines.
    """
    actual = "".join(f"{' '.join(each.split())}\n" for each in output.splitlines() if each.strip())
    return re.fullmatch("".join(map(_pattern, expected)), actual) is not None


def _pattern(line: str) -> str:
    words = " ".join(line.split()).replace("…", "...")
    if words == "...":
        return r"(?:.*\n)*?"
    return ".*".join(map(re.escape, words.split("..."))) + r" ?\n"
