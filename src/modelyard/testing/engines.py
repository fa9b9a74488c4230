"""What every engine must do: whole pipelines, with the same bytes, keys, failures and verdicts wherever they run."""

import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelyard.pipelines import Engine, Pipeline, PipelineRun, StepFailed, StepRecord, find_run, load_pipeline
from modelyard.wiring import FILE_NAME, Project

FILE = "engine_steps.py"
PIPELINES = (
    "values", "misbehaving", "late", "greedy", "stumbling", "whispering", "climbing", "lingering", "lingering_on_gpu",
    "lingering_twice_on_gpu", "descending", "spreading", "crowding",
)  # fmt: skip


def write_project(folder: Path, execution: Mapping[str, Any]) -> Path:
    """The suite's project in a folder, its steps running where `execution`, a section of the project file, says."""
    folder.mkdir(parents=True)
    spec = find_spec(f"modelyard.testing.{FILE.removesuffix('.py')}")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(FILE)
    (folder / FILE).write_bytes(Path(spec.origin).read_bytes())
    pipelines = {name: {"module": FILE} for name in PIPELINES}
    text = yaml.safe_dump({"project": "engines", "execution": dict(execution), "pipelines": pipelines})
    (folder / FILE_NAME).write_text(text)
    return folder


def pipeline_of(project: Project, name: str) -> Pipeline:
    """A pipeline of the project."""
    return load_pipeline(name, project.pipelines.settings(name), project.file.folder)


def run(project: Project, name: str, run_id: str, **params: Any) -> PipelineRun:
    """Run it on the project's engine, shown to nobody."""
    return project.pipelines.engine().run(pipeline_of(project, name), params, run_id)


def resume(project: Project, run_id: str) -> PipelineRun:
    """Go on with a run."""
    return project.pipelines.engine().resume(pipeline_of(project, recorded(project, run_id).pipeline), run_id)


def recorded(project: Project, run_id: str) -> PipelineRun:
    """A run as it is on record."""
    found = find_run(project.records, run_id)
    assert found is not None, run_id
    return found


def step_of(project: Project, run_id: str, name: str) -> StepRecord:
    """A step of a run as it is on record."""
    found = recorded(project, run_id).step(name)
    assert found is not None, name
    return found


def essence(each: PipelineRun) -> dict[str, Any]:
    """All of a run that must not hang on where it ran: what steps gave by digest, and everything that is said of it."""
    steps = {step.name: _essence(step) for step in each.steps}
    return {"state": each.state, "verdict": each.verdict, "reasons": each.reasons, "steps": steps}


def _essence(step: StepRecord) -> tuple[Any, ...]:
    identity = None if step.output is None else step.output.identity
    return (step.state, identity, step.key, step.uncached, step.result, step.verdict, step.reasons, step.detail)


RUNNER = """
import os
import signal
import sys

from modelyard.testing.engines import resume, run, pipeline_of
from modelyard.wiring import Project


class Killer:
    def __init__(self, moment, step):
        self.moment, self.step = moment, step

    def __getattr__(self, name):
        return self.seen if name == self.moment else lambda *_: {}

    def seen(self, run, step):
        if step.name == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


folder, name, run_id, moment, step = sys.argv[1:]
project = Project(folder, environment={})
project.pipelines.engine((Killer(moment, step),)).run(pipeline_of(project, name), {}, run_id)
"""


def run_and_kill(folder: Path, name: str, run_id: str, moment: str, step: str) -> None:
    """Run it in a process of its own, which ends by `kill -9` at a moment of a step, as observers are told of it."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNNER, str(folder), name, run_id, moment, step],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-4000:]


class EngineSuite(ABC):
    """Promises of every engine. Subclasses say how the project file asks for theirs."""

    @pytest.fixture(scope="module")
    @classmethod
    @abstractmethod
    def execution(cls) -> Mapping[str, Any]:
        """The section `execution` of the project file; the engine has two processors that one step can have."""

    @pytest.fixture(scope="module")
    @classmethod
    def project(cls, execution: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
        """A project on the engine."""
        project = Project(write_project(tmp_path_factory.mktemp("engine") / "project", execution), environment={})
        yield project
        project.close()

    @pytest.fixture(scope="module")
    @classmethod
    def reference(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
        """The same project, in which no test lets an engine in: its steps run in this very process."""
        project = Project(write_project(tmp_path_factory.mktemp("reference") / "project", {}), environment={})
        yield project
        project.close()

    def test_artifacts_keys_and_verdicts_are_those_of_a_plain_call(self, project: Project, reference: Project) -> None:
        """Byte for byte: elements, parts, conditions, seeds, models of the project's own classes, judgements."""
        expected = in_this_process(reference, "values", "first")
        assert expected.state == "done"
        found = run(project, "values", "first")
        assert essence(found) == essence(expected)
        assert found.engine == project.settings.execution.engine
        assert (project.file.folder / "registered").read_text() == "first\n"
        assert not (project.file.folder / "unlikely").exists()

    def test_what_one_engine_gave_another_takes_from_the_cache(self, project: Project) -> None:
        """Keys name no engine: a run in this process finds all that the engine gave, except what acts on the world."""
        run(project, "values", "before", count=5)
        after = in_this_process(project, "values", "after", count=5)
        assert [each.name for each in after.steps if not each.cached and each.state == "done"] == ["register"]
        longer = run(project, "values", "longer", count=6)
        assert not any(each.cached for each in longer.steps)

    def test_a_judgement_stops_the_run(self, project: Project, reference: Project) -> None:
        """With the same reasons, and nothing after it begins."""
        expected = in_this_process(reference, "values", "judged", floor=1e6)
        found = run(project, "values", "judged", floor=1e6)
        assert (found.state, found.verdict) == ("stopped", "fail")
        assert essence(found) == essence(expected)

    @pytest.mark.parametrize(
        ("how", "told"),
        [
            ("raise", r"LookupError: nothing there"),
            ("exit", r"The process of task '.*' ended with exit code 3\."),
            ("give a lock", r"lock"),
        ],
    )
    def test_a_step_that_fails_fails_alike(self, project: Project, how: str, told: str) -> None:
        """The error names step and reason; what it wrote before is kept; what needs it never begins."""
        run_id = f"failing-to-{how.partition(' ')[0]}"
        with pytest.raises(StepFailed, match=rf"^Step 'misbehave' of 'misbehaving' failed: .*{told}"):
            run(project, "misbehaving", run_id, how=how)
        found = step_of(project, run_id, "misbehave")
        assert (found.state, found.attempts) == ("failed", 1)
        assert f"about to {how}\n" in (project.workspace / found.log).read_text()
        assert recorded(project, run_id).step("unlikely") is None

    def test_a_step_that_takes_too_long_is_ended(self, project: Project) -> None:
        """In the time that it has, not in the time that it wants."""
        began = time.monotonic()
        with pytest.raises(StepFailed, match=r"did not end within 0\.5 s and was ended"):
            run(project, "late", "late")
        assert time.monotonic() - began < 45

    def test_a_step_that_fits_nowhere_fails_at_once(self, project: Project) -> None:
        """Its retries, an hour apart, would not help; the error says what there is."""
        with pytest.raises(StepFailed, match=r"Step 'grab' .* asks for 1,000,000 cpus; .* has \d") as caught:
            run(project, "greedy", "greedy")
        assert "Ask for less" in caught.value.remedy
        assert recorded(project, "greedy").state == "failed"

    def test_a_step_is_tried_again_as_often_as_it_says(self, project: Project) -> None:
        """After an exception and after a crash; no oftener. Within their time limits, and with two processors."""
        run(project, "stumbling", "third")
        found = step_of(project, "third", "stumble")
        assert (found.attempts, found.result) == (3, 3)
        with pytest.raises(StepFailed, match="ValueError: try 3"):
            run(project, "stumbling", "never", tries=9)
        assert step_of(project, "never", "stumble").attempts == 3

    def test_secrets_are_seen_by_their_step_alone_and_kept_nowhere(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not in logs, results, errors, records or keys."""
        monkeypatch.setenv("ENGINE_SECRET", "hunter-22/&")
        whispered = run(project, "whispering", "whispered")
        assert [each.result for each in whispered.steps] == ["***", "list"]
        assert project.pipelines.engine().value(output_of(whispered, "listen")) == []
        with pytest.raises(StepFailed, match=r"ValueError: wrong \*\*\*"):
            run(project, "whispering", "aloud", aloud="yes")
        log = project.workspace / step_of(project, "whispered", "whisper").log
        assert log.read_text() == "the secret is ***\n"
        kept = [each for each in project.workspace.rglob("*") if each.is_file() and "artifacts" not in each.parts]
        assert [each for each in kept if b"hunter-22" in each.read_bytes()] == []

    def test_what_steps_write_is_kept_by_step_and_element(self, project: Project) -> None:
        """Both streams, in the order in which they were written."""
        made = run(project, "values", "spoken", count=7)
        log = project.workspace / step_of(project, "spoken", "numbers").log
        assert sorted(log.read_text().splitlines()) == ["counting to 7", "or further"]
        assert made.state == "done"

    def test_a_killed_step_goes_on_from_its_folder(self, project: Project) -> None:
        """What it left there is found again by the resumed run, wherever that runs."""
        with pytest.raises(StepFailed, match="SIGKILL"):
            run(project, "climbing", "climbed")
        assert resume(project, "climbed").result("transform") == 5

    def test_training_on_shards_gives_the_same_bytes_everywhere(self, project: Project, reference: Project) -> None:
        """Side by side where the engine has its processes, and one after another in this one."""
        expected = in_this_process(reference, "descending", "sharded", parallel=1)
        found = run(project, "descending", "sharded")
        assert output_of(found, "descend").identity == output_of(expected, "descend").identity
        calls = (project.file.folder / "sloped").read_text().splitlines()
        assert calls.count("sharded") == 20

    @pytest.mark.long
    def test_killed_training_on_shards_goes_on_from_its_last_round(self, project: Project) -> None:
        """Only the round that was cut off is made again, and the end is the same to the byte."""
        whole = run(project, "descending", "undisturbed")
        with pytest.raises(StepFailed, match="SIGKILL"):
            run(project, "descending", "cut-off", deadly="yes")
        ended = resume(project, "cut-off")
        assert output_of(ended, "descend").identity == output_of(whole, "descend").identity
        assert (project.file.folder / "sloped").read_text().splitlines().count("cut-off") == 25

    @pytest.mark.long
    @pytest.mark.parametrize(
        ("moment", "step"), [("step_started", "noise"), pytest.param("step_ended", "table", marks=pytest.mark.soak)]
    )
    def test_a_run_whose_runner_was_killed_ends_with_the_same_bytes(
        self, execution: Mapping[str, Any], reference: Project, tmp_path: Path, moment: str, step: str
    ) -> None:
        """While other steps are at work; and what acts on the world acts once."""
        (reference.file.folder / "lingered").touch()
        expected = in_this_process(reference, "lingering", f"lingering-{step}")
        folder = write_project(tmp_path / "project", execution)
        run_and_kill(folder, "lingering", "killed", moment, step)
        (folder / "lingered").touch()
        project = Project(folder, environment={})
        try:
            assert recorded(project, "killed").state == "running"
            assert essence(resume(project, "killed")) == essence(expected)
        finally:
            project.close()
        assert (folder / "registered").read_text() == "killed\n"

    def test_another_engine_can_take_a_run_over(self, project: Project) -> None:
        """What failed here is finished in this process, and the run says so."""
        with pytest.raises(StepFailed, match="half way"):
            run(project, "climbing", "handed-over", rounds=21)
        place = replace(project.pipelines.engine().place, executor=None, engine="local")
        ended = Engine(place).resume(pipeline_of(project, "climbing"), "handed-over")
        assert (ended.result("transform"), ended.engine) == (10, "local")


def in_this_process(project: Project, name: str, run_id: str, **params: Any) -> PipelineRun:
    """Run a pipeline without any engine, the way in which its functions are called in a test."""
    place = replace(project.pipelines.engine(name="local").place, executor=None)
    return Engine(place).run(pipeline_of(project, name), params, run_id)


def output_of(each: PipelineRun, name: str) -> Any:
    """The artifact of a step."""
    found = each.step(name)
    assert found is not None
    return found.output
