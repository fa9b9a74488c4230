"""promptfoo, unmodified, evaluates what a server of ours answers: chats, guards, and likeness by our vectors."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .clients import TEXT, gateway_with_a_key, npm_packages

PROMPTFOO = "promptfoo@0.121.20"
DRIVERS = {"x86_64": "@libsql/linux-x64-gnu@0.5.29", "aarch64": "@libsql/linux-arm64-gnu@0.5.29"}
"""Its database's: the one of its optional packages, some hundred megabytes, that it does not do without."""

QUIET = {
    "PROMPTFOO_DISABLE_TELEMETRY": "1",
    "PROMPTFOO_DISABLE_UPDATE": "1",
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "1",
    "PROMPTFOO_REQUEST_BACKOFF_MS": "1",
    "PROMPTFOO_FAILED_TEST_EXIT_CODE": "100",
    "HTTP_PROXY": "http://127.0.0.1:1",  # nobody is there: what does not go to loopback goes nowhere
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "NO_PROXY": "127.0.0.1",
}
pytestmark = [
    pytest.mark.extras,
    pytest.mark.timeout(900),  # the first one installs it
    pytest.mark.skipif(shutil.which("npm") is None, reason="no node here"),
    pytest.mark.skipif(platform.machine() not in DRIVERS, reason="no driver of its database is pinned"),
]


def provider(kind: str, model: str, url: str) -> dict[str, Any]:
    """A provider of promptfoo's at our server."""
    config: dict[str, Any] = {"apiBaseUrl": url}
    if kind == "chat":
        config |= {"temperature": 0.2, "max_tokens": 20}
    return {"id": f"openai:{kind}:{model}", "config": config}


def evaluated(folder: Path, asked: Mapping[str, str], config: Mapping[str, Any]) -> tuple[int, list[Any], str]:
    """What promptfoo makes of a configuration: its exit code, its results in the order of the tests, what it said."""
    program = npm_packages("promptfoo", PROMPTFOO, DRIVERS[platform.machine()], options=("--omit=optional",))
    (folder / "promptfooconfig.json").write_text(json.dumps(config))
    command = [str(program / "node_modules" / ".bin" / "promptfoo"), "eval", "-c", "promptfooconfig.json"]
    command += ["-o", "results.json", "-j", "1", "--no-cache", "--no-write", "--no-share", "--no-progress-bar"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OPENAI_API_KEY": asked["key"]}
    environment |= {"PROMPTFOO_CONFIG_DIR": str(folder / "own"), **QUIET}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (folder / "results.json").exists(), ended.stdout[-2000:] + ended.stderr[-2000:]
    results = json.loads((folder / "results.json").read_text())["results"]["results"]
    return ended.returncode, sorted(results, key=lambda each: int(each["testIdx"])), ended.stdout


def test_promptfoo_runs_unmodified(tmp_path: Path) -> None:
    """What is so passes, what is not fails, and what cannot be answered is an error with our words."""
    with gateway_with_a_key(tmp_path) as asked:
        url, one = asked["url"], "openai:chat:answer"
        likeness = {"type": "similar", "threshold": 0.99, "provider": provider("embedding", "mini", url)}
        tests = [
            {"vars": {"text": TEXT}, "assert": [{"type": "equals", "value": TEXT}, {**likeness, "value": TEXT}]},
            {
                "vars": {"text": "all is well"},
                "assert": [{"type": "contains", "value": "well"}, {"type": "rouge-n", "value": "all is well"}],
            },
            {"vars": {"text": "no"}, "assert": [{"type": "equals", "value": "yes"}]},
            {"vars": {"text": "b"}, "assert": [{**likeness, "value": TEXT}]},
            {"vars": {"text": "x" * 1001}, "assert": [{"type": "equals", "value": "x" * 1001}]},
        ]
        config = {"prompts": ["{{text}}"], "providers": [provider("chat", "answer", url)], "tests": tests}
        code, results, said = evaluated(tmp_path, asked, config)
        assert [each["provider"]["id"] for each in results] == [one] * 5, said
        assert [each["success"] for each in results] == [True, True, False, False, False], said
        assert code == 100  # its own word for evaluations that fail
        assert [each["response"]["output"] for each in results[:2]] == [TEXT, "all is well"]
        usage = results[0]["response"]["tokenUsage"]
        assert (usage["prompt"], usage["completion"], usage["total"]) == (10, 6, 16)
        assert results[2]["error"] == 'Expected output "no" to equal "yes"'
        assert "less than threshold" in results[3]["error"]
        assert "context_length_exceeded" in results[4]["error"]

        guarded = [
            {"vars": {"text": "Mail jane@example.com"}, "assert": [{"type": "equals", "value": "Mail [EMAIL]"}]},
            {"vars": {"text": "AKIAIOSFODNN7EXAMPLE"}, "assert": [{"type": "contains", "value": "AKIA"}]},
        ]
        config = {"prompts": ["{{text}}"], "providers": [provider("chat", "guarded", url)], "tests": guarded}
        _, results, said = evaluated(tmp_path, asked, config)
        assert [each["success"] for each in results] == [True, False], said
        assert "guard_refused" in results[1]["error"]

        config["providers"] = [provider("chat", "nope", url)]
        _, results, said = evaluated(tmp_path, asked, config)
        assert "model_not_found" in results[0]["error"], said
        assert not any(each["success"] for each in results)
