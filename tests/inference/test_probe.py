"""A bundle whose model crashes, hangs or eats memory is refused by a process of its own; ours goes on."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from modelyard.bundling import BuiltBundle
from modelyard.inference import (
    BundleDamaged,
    BundleRefused,
    probe_bundle,
)

from .bad_bundles import bundle_of, crashing, graph, hanging, hungry


def test_a_good_bundle_passes_and_takes_no_time(built: BuiltBundle) -> None:
    """Half a second for the interpreter and the runtime; the limit here leaves room for a busy machine."""
    began = time.monotonic()
    probe_bundle(built.path, expect=built.digest)
    assert time.monotonic() - began < 5


def test_a_crash_is_told_by_its_signal(tmp_path: Path) -> None:
    """The model file is read well and then kills its process."""
    with pytest.raises(BundleRefused, match=r"refused: its process was ended by SIGSEGV"):
        probe_bundle(crashing(tmp_path / "bundle"))


def test_a_bundle_that_never_answers_is_ended(tmp_path: Path) -> None:
    """After the time it was given, and its process with it."""
    folder = hanging(tmp_path / "bundle")
    began = time.monotonic()
    with pytest.raises(BundleRefused, match=r"not loaded and answering within 1\.5 s"):
        probe_bundle(folder, seconds=1.5)
    assert time.monotonic() - began < 10
    assert str(folder) not in running()


def running() -> str:
    """The command lines of this machine's processes."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            found.append((entry / "cmdline").read_text() if entry.name.isdigit() else "")
        except OSError:
            continue
    return "\n".join(each for each in found if "modelyard.inference.probe" in each)


def test_a_bundle_that_eats_memory_is_refused(tmp_path: Path) -> None:
    """2.4 GB where 2 GB are allowed."""
    with pytest.raises(BundleRefused, match=r"2048 MB of memory"):
        probe_bundle(hungry(tmp_path / "bundle"), memory_mb=2048)


def test_a_wrong_answer_is_refused_with_its_reason(tmp_path: Path) -> None:
    """Golden rows are replayed in the child too."""
    identity = graph([helper.make_node("ReduceSum", ["X", "axes"], ["scores"], keepdims=1)], [
        numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    ])  # fmt: skip
    with pytest.raises(BundleRefused, match="answers its golden rows"):
        probe_bundle(bundle_of(identity, "onnx", tmp_path / "bundle"))


def test_a_changed_file_is_found_before_anything_is_started(built: BuiltBundle, tmp_path: Path) -> None:
    """Digests come first."""
    folder = bundle_of({"model.onnx": b"x"}, "onnx", tmp_path / "bundle")
    (folder / "model.onnx").write_bytes(b"y")
    with pytest.raises(BundleDamaged, match="has changed"):
        probe_bundle(folder)


def test_the_child_sees_no_secret_of_its_parent(built: BuiltBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is what an interpreter needs."""
    monkeypatch.setenv("MODELYARD_SECRET", "s3cret")
    seen: list[dict[str, str]] = []
    real = subprocess.Popen

    def watched(*arguments: Any, **options: Any) -> Any:
        seen.append(options["env"])
        return real(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", watched)
    probe_bundle(built.path)
    assert "PATH" in os.environ
    assert "MODELYARD_SECRET" not in seen[0]


def test_the_child_can_be_started_by_hand(built: BuiltBundle) -> None:
    """`python -m modelyard.inference.probe DIR` ends with 0, and says nothing."""
    command = [
        sys.executable,
        "-m",
        "modelyard.inference.probe",
        str(built.path),
        "--memory-mb",
        "4096",
        "--seconds",
        "20",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
