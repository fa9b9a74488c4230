"""The description is of this server: every path and no other, valid, and all its examples run."""

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, cast

import pytest
from openapi_spec_validator import validate

from modelyard.core import SystemClock
from modelyard.serving import HttpServer
from modelyard.serving.openapi import DOCUMENTED, PAGES, document
from modelyard.serving.protocols import ROUTES

from ..harness import Server


def described(server: Server, path: str = "/openapi.json") -> dict[str, Any]:
    """The document a server gives."""
    status, text = server.get(path)
    assert status == 200, text
    return cast("dict[str, Any]", json.loads(text))


def operations(given: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of each that a document has."""
    for path, found in given["paths"].items():
        for method, operation in found.items():
            yield method.upper(), path, operation


def run(server: Server, line: str) -> tuple[int, str]:
    """A line of the page, typed into a shell; the status and the answer."""
    command = line.replace("HOST", f"http://127.0.0.1:{server.port}") + " -w '\\n%{http_code}'"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=20)
    answer, _, status = result.stdout.rpartition("\n")
    return int(status), answer


def test_every_path_is_described_and_every_description_has_its_path() -> None:
    """Ours at the top and below a deployment's name, and each protocol's. MLflow's /health is ours."""
    ours = HttpServer(cast("Any", None), SystemClock(), pepper=None).endpoints
    there = {(method, prefix + path) for method, path in ours for prefix in ("", "/deployments/{deployment}")}
    there |= {(route.method, route.template) for route in (*ROUTES, *PAGES)}
    assert there == set(DOCUMENTED)


@pytest.mark.parametrize("name", ["alone", "several", "on_demand"])
def test_the_document_is_valid(name: str, request: pytest.FixtureRequest) -> None:
    """By the specification's own schema, for all deployments and for one."""
    server: Server = request.getfixturevalue(name)
    validate(described(server))
    validate(described(server, "/deployments/fraud/openapi.json"))


@pytest.mark.parametrize("name", ["alone", "several", "on_demand"])
def test_every_example_runs_as_it_stands(name: str, request: pytest.FixtureRequest) -> None:
    """Typed into a shell: 200, or the refusal that is described; the deployments that are named are those served."""
    server: Server = request.getfixturevalue(name)
    given = described(server)
    lines = [
        (sample["source"], sample["x-status"]) for _, _, each in operations(given) for sample in each["x-codeSamples"]
    ]
    answered = {line: run(server, line) for line, _ in lines}
    assert {line: answered[line] for line, status in lines if answered[line][0] != status} == {}
    assert len(lines) > 60


def test_every_path_has_an_example_that_names_what_is_live(alone: Server) -> None:
    """With one deployment nothing is left out; the bodies shown are those that the lines send."""
    for method, path, operation in operations(described(alone)):
        assert operation["x-codeSamples"], (method, path)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                shown = example["value"]
                sent = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
                assert any(sent in sample["source"].replace("'\\''", "'") for sample in operation["x-codeSamples"])


def test_with_several_deployments_a_path_without_a_name_says_so(several: Server) -> None:
    """And has no example, for none would run."""
    operation = described(several)["paths"]["/predict"]["post"]
    assert "hosts 4 deployments" in operation["description"]
    assert operation["x-codeSamples"] == []
    status, answer = several.post("/predict", {"features": [1.0]})
    assert (status, answer["error"]["code"]) == (404, "NOT_SERVED")


def test_one_deployments_page_shows_no_other(several: Server) -> None:
    """Neither as a value of a path nor in a schema."""
    given = described(several, "/deployments/price/openapi.json")
    names = {
        tuple(each["schema"]["enum"])
        for _, _, operation in operations(given)
        for each in operation["parameters"]
        if each["name"] in ("model", "deployment")
    }
    assert names == {("price",)}
    assert "country" not in json.dumps(given)
    assert several.get("/deployments/prise/openapi.json")[0] == 404


def test_a_server_without_deployments_describes_what_is_there() -> None:
    """Probes and itself; nothing that would have to be named."""
    given = document([], hosted=0, rows_limit=10, keys=True)
    validate(given)
    assert not any("{" in path for path in given["paths"])
    assert given["security"] == [{"key": []}]
    assert given["paths"]["/livez"]["get"]["security"] == []


class _Page(HTMLParser):
    """The tags of a page, with their attributes, and the text of its blocks of code."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.codes: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "pre":
            self._inside = True
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.codes[-1] += data


def test_the_page_loads_nothing_and_its_lines_run(alone: Server) -> None:
    """No script and no address of elsewhere; each line that begins with curl goes to the server that showed it."""
    status, text = alone.get("/docs")
    assert status == 200
    page = _Page()
    page.feed(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object"}
    links = [attributes["href"] or "" for tag, attributes in page.tags if tag == "a"]
    assert all(link.startswith("#") or link == "openapi.json" for link in links)
    assert not re.search(r"url\(|@import|https?:", text)
    lines = [code for code in page.codes if "curl " in code]
    assert len(lines) > 50
    assert f"127.0.0.1:{alone.port}" in lines[0]
    for line in lines[:3]:
        assert run(alone, line)[0] == 200


def test_a_hosts_name_is_shown_and_not_obeyed(alone: Server) -> None:
    """Whoever sends a Host of markup gets it escaped."""
    line = "curl -s HOST/docs -H 'Host: <script>x</script>'"
    _, text = run(alone, line)
    assert "<script" not in text
