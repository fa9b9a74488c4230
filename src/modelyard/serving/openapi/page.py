"""The document as a page: HTML that loads nothing from anywhere, and runs no script."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""What a browser may do with the page: show it, with the styles it brings."""

_STYLE = """
:root{--ink:#1c2330;--soft:#5b6577;--line:#dfe4ec;--ground:#fff;--code:#f5f7fa;--get:#0b6e4f;--post:#1f4fa3}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ef;--soft:#9aa5b8;--line:#2c3442;--ground:#12161d;--code:#1a202a;
--get:#57c79c;--post:#83aef5}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:62rem;padding:2rem 1.25rem 5rem;background:var(--ground);color:var(--ink);
font:16px/1.55 system-ui,sans-serif}
h1{font-size:1.9rem;margin:0 0 .25rem}h2{margin:3rem 0 .5rem;padding-bottom:.3rem;border-bottom:2px solid var(--line)}
p{max-width:46rem}a{color:inherit}nav a{margin-right:1rem}
details{border:1px solid var(--line);border-radius:.5rem;margin:.6rem 0}
summary{cursor:pointer;padding:.55rem .9rem;display:flex;gap:.8rem;flex-wrap:wrap;align-items:baseline}
details>div{padding:0 .9rem .9rem;border-top:1px solid var(--line)}
summary span{color:var(--soft)}
.GET,.POST{font:700 .8rem ui-monospace,monospace;min-width:2.8rem}.GET{color:var(--get)}.POST{color:var(--post)}
code,pre{font:.86rem/1.5 ui-monospace,monospace}
pre{background:var(--code);padding:.7rem .9rem;border-radius:.4rem;overflow-x:auto;margin:.2rem 0 .8rem}
h4{margin:.9rem 0 .2rem;font-size:.9rem;color:var(--soft)}
table{border-collapse:collapse;width:100%}td{padding:.25rem .8rem .25rem 0;vertical-align:top;border-top:1px solid
var(--line)}td:first-child{white-space:nowrap}
"""


def page(document: Mapping[str, Any], host: str) -> str:
    """The page of a document; `host` is where its reader found it, and where the examples are sent."""
    return "\n".join(_lines(document, host))


def _lines(document: Mapping[str, Any], host: str) -> Iterator[str]:
    info = document["info"]
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{_text(info['title'])}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{_text(info['title'])} <small>{_text(info['version'])}</small></h1>"
    yield f'<p>{_text(info["description"])}</p><p><a href="openapi.json">openapi.json</a></p><nav>'
    tags = [tag["name"] for tag in document["tags"]]
    yield "".join(f'<a href="#{_anchor(tag)}">{_text(tag)}</a>' for tag in tags)
    yield "</nav>"
    for tag in tags:
        yield f'<h2 id="{_anchor(tag)}">{_text(tag)}</h2>'
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag in operation["tags"]:
                    yield from _operation(method.upper(), path, operation, host)
    yield "<h2>Statuses</h2>"
    yield _table(document["x-statuses"])
    yield "</body></html>"


def _operation(method: str, path: str, operation: Mapping[str, Any], host: str) -> Iterator[str]:
    yield f'<details><summary><b class="{method}">{method}</b><code>{_text(path)}</code>'
    yield f"<span>{_text(operation['summary'])}</span></summary><div>"
    if operation["description"]:
        yield f"<p>{_text(operation['description'])}</p>"
    for sample in operation["x-codeSamples"]:
        yield f"<h4>{_text(sample['label'])}</h4><pre>{_text(sample['source'].replace('HOST', host))}</pre>"
    if parameters := operation["parameters"]:
        yield "<h4>Parameters</h4>"
        yield _table({f"{each['name']} ({each['in']})": _parameter(each) for each in parameters})
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        if body["schema"]:
            yield f"<h4>Takes {_text(kind)}</h4>{_schema(body['schema'])}"
    yield "<h4>Answers</h4>"
    yield _table({status: response["description"] for status, response in operation["responses"].items()})
    for kind, body in operation["responses"].get("200", {}).get("content", {}).items():
        if body:
            yield f"<h4>200 {_text(kind)}</h4>{_schema(body['schema'])}"
    yield "</div></details>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    values = parameter["schema"].get("enum")
    return f"{parameter['description']}" + (f" One of: {', '.join(values)}." if values else "")


def _schema(schema: Mapping[str, Any]) -> str:
    text = json.dumps(schema, indent=1, ensure_ascii=False)
    return f"<details><summary>schema</summary><div><pre>{_text(text)}</pre></div></details>"


def _table(rows: Mapping[str, str]) -> str:
    lines = [f"<tr><td><code>{_text(name)}</code></td><td>{_text(meaning)}</td></tr>" for name, meaning in rows.items()]
    return f"<table>{''.join(lines)}</table>"


def _anchor(text: str) -> str:
    return escape(text.lower().replace(" ", "-"))


def _text(value: str) -> str:
    return escape(value)
