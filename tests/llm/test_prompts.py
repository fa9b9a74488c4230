"""Prompts as versions: registered, promoted, rolled back like models, and read by MLflow's own client."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.core import Conflict, InvalidInput, NotFound
from modelyard.generation import InvalidPrompt, Message, Prompt
from modelyard.llm import PromptReference, diff_prompts, prompt_bundle, read_prompt_file
from modelyard.operations import prompts
from modelyard.operations.contract import carry_out
from modelyard.registry import ModelVersion, Registry
from modelyard.wiring import Project

CHAT = """\
messages:
  - role: system
    content: You answer for {{company}}.
  - role: user
    content: "{{question}}"
response_schema: {type: object, properties: {answer: {type: string}}}
"""


@pytest.fixture
def project(tmp_path: Path, mlflow_tables: Path) -> Project:
    """A project with nothing in it."""
    (tmp_path / "modelyard.yaml").write_text("project: p\n")
    workspace = tmp_path / ".modelyard"
    workspace.mkdir()
    (workspace / "mlflow.db").write_bytes(mlflow_tables.read_bytes())
    return Project(tmp_path, environment={})


def written(folder: Path, name: str, text: str) -> Path:
    """A file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own
def test_a_prompt_goes_the_way_of_models(project: Project, tmp_path: Path) -> None:
    """Register, promote, render, diff, roll back; MLflow's client reads each version, and by its alias."""
    import mlflow

    file = written(tmp_path, "greet.txt", "Hello, {{name}}.\n")
    first = carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("greet", file))
    assert (first["uri"], first["variables"], first["unchanged"]) == ("prompts:/greet/1", ["name"], False)
    again = carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("greet", file))
    assert (again["uri"], again["unchanged"]) == ("prompts:/greet/1", True)
    carry_out(prompts.promote_prompt, project, prompts.PromotePrompt("greet", "1"))
    chat = written(tmp_path, "greet.yaml", CHAT)
    second = carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("greet", chat))
    assert second["uri"] == "prompts:/greet/2"
    carry_out(prompts.promote_prompt, project, prompts.PromotePrompt("greet", "2"))

    mlflow.set_tracking_uri(project.tracker.uri)
    mlflow.set_registry_uri(project.tracker.uri)
    assert mlflow.genai.load_prompt("prompts:/greet/1").template == "Hello, {{name}}.\n"
    assert mlflow.genai.load_prompt("prompts:/greet/1").format(name="Eve") == "Hello, Eve.\n"
    live = mlflow.genai.load_prompt("prompts:/greet@production", cache_ttl_seconds=0)
    assert live.version == 2
    assert live.template[0] == {"role": "system", "content": "You answer for {{company}}."}
    assert live.response_format == {"type": "object", "properties": {"answer": {"type": "string"}}}

    asked = prompts.RenderPrompt("prompts:/greet@production", ("company=Acme", "question={{company}} <|im_start|>"))
    told = carry_out(prompts.render_prompt, project, asked)
    assert told["prompt"] == "prompts:/greet/2"
    assert [each["content"] for each in told["messages"]] == ["You answer for Acme.", "{{company}} <\u2060|im_start|>"]
    diff = carry_out(prompts.diff_prompt, project, prompts.DiffPrompts("greet", "1", "2"))
    assert (diff["added"], diff["removed"]) == (["company", "question"], ["name"])
    assert "-Hello, {{name}}." in diff["diff"]

    carry_out(prompts.roll_back_prompt, project, prompts.RollBackPrompt("greet"))
    listed = carry_out(prompts.list_prompts, project, prompts.ListPrompts())
    assert {each["uri"]: each["aliases"] for each in listed} == {
        "prompts:/greet/1": ["production"],
        "prompts:/greet/2": [],
    }
    assert mlflow.genai.load_prompt("prompts:/greet@production", cache_ttl_seconds=0).version == 1
    project.close()


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_prompt_that_nobody_registered_is_told_of_as_one(project: Project) -> None:
    """Whatever is to be done with it."""
    acts: list[tuple[Any, Any]] = [
        (prompts.render_prompt, prompts.RenderPrompt("greet")),
        (prompts.promote_prompt, prompts.PromotePrompt("greet", "1")),
        (prompts.diff_prompt, prompts.DiffPrompts("greet", "1", "2")),
        (prompts.list_prompts, prompts.ListPrompts("greet")),
    ]
    for act, given in acts:
        with pytest.raises(NotFound, match="There is no prompt 'greet'") as told:
            carry_out(act, project, given)
        assert told.value.code == "NO_PROMPT"
    project.close()


@pytest.mark.filterwarnings("ignore")  # as above
def test_a_prompt_is_no_model_and_a_model_no_prompt(project: Project, tmp_path: Path) -> None:
    """One name is one thing."""
    project.models.register("scores", principal=project.principal)
    file = written(tmp_path, "p.txt", "Hello")
    with pytest.raises(Conflict, match="no prompt"):
        carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("scores", file))
    with pytest.raises(NotFound):
        carry_out(prompts.roll_back_prompt, project, prompts.RollBackPrompt("none"))
    project.close()


@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own
def test_listing_prompts_opens_no_version_of_what_is_none(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name is a prompt's or it is not: of each that is not, the newest version tells."""
    for text in ("Hello", "Good day"):
        file = written(tmp_path, "greet.txt", text)
        registered = carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("greet", file))
    with project.records.transaction() as tx:
        for number in range(1, 41):
            made = ModelVersion("scores", number, f"v{number}", "2026-01-05T12:00:00+00:00", "ann")
            tx.put("model-version", f"scores/{number:08d}", msgspec.to_builtins(made))
    opened: list[tuple[str, int]] = []
    read = Registry.bundle_file

    def bundle_file(self: Registry, version: ModelVersion, name: str) -> bytes | None:
        opened.append((version.name, version.number))
        return read(self, version, name)

    monkeypatch.setattr(Registry, "bundle_file", bundle_file)
    listed = carry_out(prompts.list_prompts, project, prompts.ListPrompts())
    assert [each["uri"] for each in listed] == ["prompts:/greet/1", registered["uri"]]
    assert set(opened) == {("scores", 40), ("greet", 1), ("greet", 2)}
    project.close()


def test_references_are_those_of_mlflow() -> None:
    """A name alone is what is in production."""
    assert PromptReference.parse("prompts:/greet/3") == ("greet", "3")
    assert PromptReference.parse("prompts:/greet@staging") == ("greet", "staging")
    assert PromptReference.parse("greet") == ("greet", "production")
    for wrong in ("prompts:/", "prompts:/a/b/c", "models:/greet/3", "greet@", ""):
        with pytest.raises(InvalidInput):
            PromptReference.parse(wrong)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("- role: assistent\n  content: x", "messages[0]"),
        ("- role: user", "messages[0]"),
        ("messages: []", "messages"),
        ("message: [x]", "messages"),
        ("messages: [{role: user, content: x}]\nresponse_schema: 7", "response_schema"),
        ("- role: user\n  content: '{{not-a-name}}'", "messages[0].content"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path, text: str, where: str) -> None:
    """Before anything is registered."""
    with pytest.raises(InvalidPrompt) as told:
        read_prompt_file(written(tmp_path, "p.yaml", text))
    assert told.value.context["path"] == where


def test_equal_prompts_are_one_bundle(tmp_path: Path) -> None:
    """And a difference of one character is another."""
    digests = [
        prompt_bundle(tmp_path / str(at), "p", Prompt((Message("user", text),)))
        for at, text in enumerate(("a", "a", "b"))
    ]
    assert digests[0] == digests[1] != digests[2]
    assert diff_prompts(Prompt((Message("user", "a"),)), Prompt((Message("user", "a"),))) == ""
