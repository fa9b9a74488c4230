"""What one path takes, gives and refuses, and how it looks as an OpenAPI operation."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..overriding import HEADER
from .samples import ISO_PATTERN, Sample, Schema, object_of

JSON = "application/json"

_TEXT: Schema = {"type": "string"}
_MAYBE: Schema = {"type": ["string", "null"]}
ERRORS: Mapping[str, Schema] = {
    "native": object_of(
        {"error": object_of(dict.fromkeys(("code", "message", "path", "remedy"), _TEXT), ("code", "message", "remedy"))}
    ),
    "text": object_of({"error": _TEXT}),
    "openai": object_of(
        {
            "error": object_of(
                {"message": _TEXT, "type": _TEXT, "param": _MAYBE, "code": _MAYBE},
                ("message", "type", "param", "code"),
            )
        }
    ),
    "mlflow": object_of({"error_code": _TEXT, "message": _TEXT}),
}
"""The body of an error: of our own paths, of Open Inference and TensorFlow Serving, of MLflow, of OpenAI."""

MEANINGS: Mapping[int, str] = {
    400: "The request is not what this path takes; the message says where and what to send.",
    401: "The server asks for a key, and this is none of its.",
    403: "The key may not do this, or not to this deployment.",
    404: "There is no such deployment, version or label; the message says which there are.",
    405: "The path is there for other methods, which the header Allow lists.",
    408: "The request was not sent within ten seconds. The answer has no body, and ends the connection.",
    413: "More bytes or rows than one request may have.",
    415: "The body is compressed: send it as it is.",
    429: "The key or the address asks too often. Ask again after the seconds of Retry-After.",
    500: "The server failed. Its log says how.",
    502: "The upstream of a language model gave no answer, or half of one.",
    503: "Not ready, overloaded, or the model failed. Try again after the seconds of Retry-After.",
}
PROBE = (404, 500)
ASKED = (400, 401, 403, 404, 429, 500, 503)
SENT = (400, 401, 403, 404, 408, 413, 415, 429, 500, 503)
"""What may be answered besides 200 by a path that is open to all, one that names a model, one that takes rows."""

INSTANT: Schema = {
    "type": "string",
    "pattern": f"^([0-9]{{1,17}}|{ISO_PATTERN})$",
    "description": "ISO 8601 (UTC without a zone), or microseconds since 1970",
}


@dataclass(frozen=True)
class Example:
    """A request that runs: its body as JSON or text; `shell` where a shell line has to make the bytes.

    `sample` is the deployment that it asks, None where none is named.
    """

    title: str
    value: Any = None
    sample: Sample | None = None
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    shell: str | None = None
    status: int = 200


@dataclass(frozen=True)
class Facts:
    """What the document is made for: the deployments shown, how many there are in all, and the limits."""

    samples: Sequence[Sample]
    hosted: int
    rows_limit: int

    @property
    def alone(self) -> bool:
        """Whether a path without a deployment's name means one."""
        return self.hosted == 1

    def any_of(self, schema: Callable[[Sample], Schema]) -> Schema:
        """What one of the deployments takes or gives."""
        each = [schema(sample) for sample in self.samples]
        return each[0] if len(each) == 1 else {"anyOf": each} if each else {}


@dataclass(frozen=True)
class Described:
    """One operation. `takes` gives schemas by content type, `gives` likewise of the answer."""

    tag: str
    summary: str
    explained: str
    errors: str
    statuses: Sequence[int]
    gives: Callable[[Facts], Mapping[str, Schema]]
    takes: Callable[[Facts], Mapping[str, Schema]] | None = None
    examples: Callable[[Sample], Sequence[Example]] = lambda _sample: [Example("ask")]
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: bool = False
    refused: bool = False
    special: Mapping[int, Schema] = field(default_factory=dict)

    def operation(self, method: str, template: str, facts: Facts) -> dict[str, Any]:
        """The operation as OpenAPI says it, with examples that run."""
        examples = self._examples(template, facts)
        operation: dict[str, Any] = {
            "tags": [self.tag],
            "operationId": _identifier(method, template),
            "summary": self.summary,
            "description": self._description(template, facts),
            "parameters": [*_path_parameters(template, facts, method), *self._parameters(facts)],
            "responses": self._responses(template, facts),
            "x-codeSamples": [
                {"lang": "Shell", "label": each.title, "source": curl(method, path, each), "x-status": each.status}
                for path, each in examples
            ],
        }
        if 401 not in self.statuses:
            operation["security"] = []
        if self.takes is not None:
            operation["requestBody"] = {
                "required": True,
                "content": self._content(facts, [each for _, each in examples]),
            }
        return operation

    def _description(self, template: str, facts: Facts) -> str:
        if self.takes is None or "{" in template or facts.alone:
            return self.explained
        return f"{self.explained} This server hosts {facts.hosted} deployments: name one in the path, or get 404."

    def _examples(self, template: str, facts: Facts) -> list[tuple[str, Example]]:
        """Examples with their paths; none where the path would have to name a deployment and does not."""
        if "{" not in template and self.takes is None:
            return [(template, each) for sample in facts.samples[:1] for each in self.examples(sample)]
        if "{" not in template and not facts.alone:
            return []
        shown = [each for each in facts.samples if self.takes is None or not each.has_tensors]
        return [(_filled(template, sample), each) for sample in shown for each in self.examples(sample)]

    def _content(self, facts: Facts, examples: Sequence[Example]) -> dict[str, Any]:
        assert self.takes is not None  # noqa: S101 - asked for by `operation` only then
        content: dict[str, Any] = {}
        for kind, schema in self.takes(facts).items():
            fitting = [each for each in examples if each.kind == kind and each.shell is None]
            content[kind] = {"schema": schema}
            if fitting:
                content[kind]["examples"] = {
                    f"{at}-{each.title.replace(' ', '-')}": {"summary": each.title, "value": each.value}
                    for at, each in enumerate(fitting)
                }
        return content

    def _parameters(self, facts: Facts) -> list[dict[str, Any]]:
        found = [
            {"name": name, "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}
            for name, meaning in self.headers.items()
        ]
        if not self.rows:
            return found
        found += [
            _optional("user_id", "query", "Assigns all rows to one arm of the route.", _TEXT),
            _optional("X-Entity-Id", "header", "The same, where a query is in the way.", _TEXT),
        ]
        if self.errors == "native":
            able = facts.samples and all(sample.arm.bundle.explains for sample in facts.samples)
            asked: Schema = {"enum": ["true", "false"] if able else ["false"]}
            found.append(_optional("explain", "query", "Whether answers are explained.", asked))
        if facts.samples and all(sample.deployment.route.clock == "request" for sample in facts.samples):
            found.append(_optional("X-Modelyard-At", "header", "The event time; taken on loopback only.", INSTANT))
        if any(sample.deployment.policy.overrides for sample in facts.samples):
            found.append(_optional(HEADER, "header", "The arm that is to answer; its record is marked.", _TEXT))
        return found

    def _responses(self, template: str, facts: Facts) -> dict[str, Any]:
        gives = {kind: {"schema": schema} if schema else {} for kind, schema in self.gives(facts).items()}
        responses: dict[str, Any] = {} if self.refused else {"200": {"description": "The answer.", "content": gives}}
        for status in self.statuses:
            if status == 404 and self.takes is None and 401 not in self.statuses and "{" not in template:
                continue  # nothing is named that could be missing
            response = responses[str(status)] = {"description": MEANINGS[status]}
            if status != 408:
                response["content"] = {JSON: {"schema": self.special.get(status) or self._error(status, template)}}
            if status in (429, 503):
                response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
        return responses

    def _error(self, status: int, template: str) -> Schema:
        """The body of an error; a path that is none, for a part with a slash or colon in it, is answered as ours."""
        names = [self.errors, *(["native"] if status == 404 and "{" in template and self.errors != "native" else [])]
        refs: list[Schema] = [{"$ref": f"#/components/schemas/{name}_error"} for name in names]
        return refs[0] if len(refs) == 1 else {"anyOf": refs}


def curl(method: str, path: str, example: Example) -> str:
    """A line for a shell; HOST stands for the server's address."""
    words = [f"curl -s HOST{path}" if method == "GET" else f"curl -s -X {method} HOST{path}"]
    headers = dict(example.headers)
    if example.value is not None or example.shell is not None:
        headers = {"Content-Type": example.kind, **headers}
    words += [f"-H {_quoted(f'{name}: {value}')}" for name, value in headers.items()]
    if example.shell is not None:
        return f"{example.shell} | {' '.join(words)} --data-binary @-"
    if example.value is not None:
        text = example.value if isinstance(example.value, str) else json.dumps(example.value, ensure_ascii=False)
        words.append(f"--data-binary {_quoted(text)}")
    return " ".join(words)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _identifier(method: str, template: str) -> str:
    return "_".join([method.lower(), *re.findall(r"[\w.]+", template)])


def _filled(template: str, sample: Sample) -> str:
    values = {
        "deployment": sample.name,
        "model": sample.name,
        "version": sample.version,
        "label": sample.deployment.route.live.name,
    }
    return re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), template)


_PARTS = {
    "deployment": "A deployment.",
    "model": "A deployment.",
    "version": "The version that is live.",
    "label": "The name of the live arm.",
}


def _path_parameters(template: str, facts: Facts, method: str) -> list[dict[str, Any]]:
    return [
        {
            "name": part,
            "in": "path",
            "required": True,
            "description": _PARTS[part],
            "schema": {"type": "string", "enum": _values(part, facts, method)},
        }
        for part in re.findall(r"\{(\w+)\}", template)
    ]


def _values(part: str, facts: Facts, method: str) -> list[str]:
    """What a part of the path may be; other versions and arms than live can be asked about, but not asked."""
    if part in ("deployment", "model"):
        return [sample.name for sample in facts.samples]
    found: list[str] = []
    for sample in facts.samples:
        route, loaded = sample.deployment.route, sample.deployment.arms
        arms = [arm for arm in route.arms if arm.name in loaded and (method == "GET" or arm is route.live)]
        found += [arm.version if part == "version" else arm.name for arm in arms]
    return list(dict.fromkeys(found))


def _optional(name: str, where: str, meaning: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "description": meaning, "schema": schema}
