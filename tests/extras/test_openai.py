"""OpenAI's own clients for Python and for Node, unmodified, against a server of ours; each in a folder of its own."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from .clients import MODELS, PYTHON, TEXT, gateway_with_a_key, installed_in, npm_packages

NODE = "openai@7.57.0"
pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]  # the first ones make the environments

THEIRS = """
import json, sys
import openai
from openai import OpenAI

given = json.load(sys.stdin)
text = given["text"]
client = OpenAI(base_url=given["url"], api_key=given["key"], max_retries=0)
says = [{"role": "user", "content": text}]
told = {}
whole = client.chat.completions.create(model="answer", messages=says, temperature=0.2, max_tokens=20)
choice = whole.choices[0]
told["whole"] = [choice.message.content, choice.finish_reason, whole.usage.total_tokens, whole.model]
stream = client.chat.completions.create(
    model="bytes", messages=says, stream=True, stream_options={"include_usage": True}
)
pieces, usage = [], None
for chunk in stream:
    pieces += [each.delta.content or "" for each in chunk.choices]
    usage = chunk.usage or usage
told["stream"] = ["".join(pieces), usage.total_tokens]
calls = client.chat.completions.create(model="tool", messages=[{"role": "user", "content": '{"a": 1}'}], tools=[
    {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
])
called = calls.choices[0].message
told["tool"] = called.tool_calls[0].function.arguments
result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "7"}
after = [*says, called, result, choice.message, *says]
told["again"] = client.chat.completions.create(model="answer", messages=after).choices[0].message.content
guarded = client.chat.completions.create(
    model="guarded", messages=[{"role": "user", "content": "Mail jane@example.com"}], stream=True
)
told["guarded"] = "".join(each.delta.content or "" for chunk in guarded for each in chunk.choices)
told["models"] = sorted(each.id for each in client.models.list())
told["vectors"] = [each.embedding for each in client.embeddings.create(model="mini", input=[text, "b"]).data]
told["floats"] = client.embeddings.create(model="mini", input=text, encoding_format="float").data[0].embedding


def error_of(act):
    try:
        act()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param]
    except openai.APIError as error:
        return [type(error).__name__, None, error.code, error.param]


def ask(**more):
    return client.chat.completions.create(**{"model": "answer", "messages": says, **more})


told["errors"] = {
    "model": error_of(lambda: ask(model="nope")),
    "temperature": error_of(lambda: ask(temperature=3)),
    "refused": error_of(lambda: ask(model="guarded", messages=[{"role": "user", "content": "AKIAIOSFODNN7EXAMPLE"}])),
    "busy": error_of(lambda: ask(model="busy")),
    "half": error_of(lambda: ask(model="half-json")),
    "cut": error_of(lambda: list(ask(model="cut", stream=True))),
    "vectors": error_of(lambda: client.embeddings.create(model="mini", input=["a", ""])),
    "key": error_of(lambda: client.with_options(api_key="wrong").models.list()),
}
print(json.dumps(told))
"""

IN_NODE = """
import OpenAI from "openai";
import { readFileSync } from "node:fs";

const given = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ baseURL: given.url, apiKey: given.key, maxRetries: 0 });
const messages = [{ role: "user", content: given.text }];
const told = {};
const whole = await client.chat.completions.create({ model: "answer", messages, temperature: 0.2, max_tokens: 20 });
const choice = whole.choices[0];
told.whole = [choice.message.content, choice.finish_reason, whole.usage.total_tokens, whole.model];
let text = "", usage = null;
for await (const chunk of await client.chat.completions.create({
  model: "bytes", messages, stream: true, stream_options: { include_usage: true },
})) {
  for (const each of chunk.choices) text += each.delta.content ?? "";
  usage = chunk.usage ?? usage;
}
told.stream = [text, usage.total_tokens];
const calls = await client.chat.completions.create({
  model: "tool", messages: [{ role: "user", content: '{"a": 1}' }],
  tools: [{ type: "function", function: { name: "look", parameters: { type: "object" } } }],
});
const called = calls.choices[0].message;
told.tool = called.tool_calls[0].function.arguments;
const result = { role: "tool", tool_call_id: called.tool_calls[0].id, content: "7" };
const after = [...messages, called, result, choice.message, ...messages];
told.again = (await client.chat.completions.create({ model: "answer", messages: after })).choices[0].message.content;
told.guarded = "";
for await (const chunk of await client.chat.completions.create({
  model: "guarded", messages: [{ role: "user", content: "Mail jane@example.com" }], stream: true,
})) for (const each of chunk.choices) told.guarded += each.delta.content ?? "";
told.models = [];
for await (const each of client.models.list()) told.models.push(each.id);
told.models.sort();
const vectors = await client.embeddings.create({ model: "mini", input: [given.text, "b"] });
told.vectors = vectors.data.map((each) => Array.from(each.embedding));
const floats = await client.embeddings.create({ model: "mini", input: given.text, encoding_format: "float" });
told.floats = floats.data[0].embedding;
async function errorOf(act) {
  try { await act(); } catch (error) {
    return [error.constructor.name, error.status ?? null, error.code ?? null, error.param ?? null];
  }
}
const ask = (more) => client.chat.completions.create({ model: "answer", messages, ...more });
const key = [{ role: "user", content: "AKIAIOSFODNN7EXAMPLE" }];
told.errors = {
  model: await errorOf(() => ask({ model: "nope" })),
  temperature: await errorOf(() => ask({ temperature: 3 })),
  refused: await errorOf(() => ask({ model: "guarded", messages: key })),
  busy: await errorOf(() => ask({ model: "busy" })),
  half: await errorOf(() => ask({ model: "half-json" })),
  cut: await errorOf(async () => { for await (const _ of await ask({ model: "cut", stream: true })); }),
  vectors: await errorOf(() => client.embeddings.create({ model: "mini", input: ["a", ""] })),
  key: await errorOf(() => client.withOptions({ apiKey: "wrong" }).models.list()),
};
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with a key."""
    with gateway_with_a_key(tmp_path_factory.mktemp("openai")) as told:
        yield told


def test_the_python_client_runs_unmodified(asked: dict[str, str]) -> None:
    """Chats whole and streamed, tools, guards, models, vectors as base64 and numbers; errors as classes of its own."""
    python = str(installed_in("openai", PYTHON) / "bin" / "python")
    told = answer_of([python, "-c", THEIRS], asked)
    check(told, asked)
    assert told["errors"]["cut"][0] == "APIError"


@pytest.mark.skipif(shutil.which("npm") is None, reason="no node here")
def test_the_node_client_runs_unmodified(asked: dict[str, str]) -> None:
    """The same."""
    folder = npm_packages("openai-node", NODE)
    (folder / "asked.mjs").write_text(IN_NODE)
    check(answer_of(["node", str(folder / "asked.mjs")], asked), asked)


def answer_of(command: list[str], asked: Mapping[str, str]) -> dict[str, Any]:
    """What a client's program says of what it was told."""
    ended = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def check(told: dict[str, Any], asked: Mapping[str, str]) -> None:
    """What every client must have been told."""
    assert told["whole"] == [TEXT, "stop", 16, "answer"]
    assert told["stream"] == [TEXT, 16]
    assert told["tool"] == '{"a": 1}'
    assert told["again"] == asked["text"]
    assert told["guarded"] == "Mail [EMAIL]"
    assert told["models"] == sorted([*MODELS, "guarded", "mini"])
    np.testing.assert_allclose(told["vectors"], json.loads(asked["vectors"]), atol=1e-6)
    np.testing.assert_allclose(told["floats"], json.loads(asked["vectors"])[0], atol=1e-6)
    errors = told["errors"]
    assert errors["model"] == ["NotFoundError", 404, "model_not_found", "model"]
    assert errors["temperature"] == ["BadRequestError", 400, "bad_request", "temperature"]
    assert errors["refused"] == ["BadRequestError", 400, "guard_refused", "messages[0].content"]
    assert errors["busy"][:3] == ["InternalServerError", 503, "upstream_unavailable"]
    assert errors["half"][:3] == ["InternalServerError", 502, "upstream_broken"]
    assert errors["vectors"] == ["BadRequestError", 400, "bad_request", "input[1]"]
    assert errors["key"][:2] == ["AuthenticationError", 401]
    assert errors["cut"] is not None
