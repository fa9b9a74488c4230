"""The OpenAPI document, and the paths it is served at."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from modelyard.access import Permission

from ..dataplane import DataPlane
from ..deployments import Deployment
from ..protocols import Call, Reply, Route, own_error
from ..protocols.open_inference import server_version
from ..strict import DEEPEST
from . import chats, foreign, native
from .described import ERRORS, JSON, MEANINGS, Described, Facts
from .page import POLICY, page
from .samples import Sample

_SELF = "This description"

_OWN: Mapping[tuple[str, str], Described] = {
    ("GET", path): Described(
        _SELF,
        summary,
        "With keys on and several deployments, ask below one's name.",
        "native",
        (401, 403, 404, 500),
        lambda _facts, kind=kind: {kind: {}},  # type: ignore[misc]  # bound here on purpose
    )
    for path, summary, kind in (
        ("/openapi.json", "This document", JSON),
        ("/docs", "The document as a page", "text/html"),
    )
}

DOCUMENTED: Mapping[tuple[str, str], Described] = {
    **native.ENDPOINTS,
    **{(method, f"/deployments/{{deployment}}{path}"): each for (method, path), each in native.ENDPOINTS.items()},
    **chats.ENDPOINTS,
    **{(method, f"/deployments/{{deployment}}{path}"): each for (method, path), each in chats.ENDPOINTS.items()},
    **foreign.ENDPOINTS,
    **_OWN,
    **{(method, f"/deployments/{{model}}{path}"): each for (method, path), each in _OWN.items()},
}
"""Every method and path that this server answers, with what it is for."""

_ABOUT = """\
One server, several protocols, the same models: rows in, predictions out, each on record under its prediction id before
the answer leaves. Examples below are made for the models that are live and run as they are.

A path that exists for another method gets 405 with `Allow`, one that does not exist 404, both without a look at the
body. HEAD is answered wherever GET is. A body may have {bytes} bytes and {rows} rows, nest {deepest} deep, and is never
compressed. NaN and infinities are no JSON; Open Inference, TensorFlow Serving and MLflow take NaN as a missing value.
A name written twice in one object is refused. Who takes longer than ten seconds to send what was begun gets 408, and
the connection ends. Metrics are on a port of their own.
"""


def document(
    samples: Sequence[Sample], *, hosted: int, rows_limit: int, keys: bool, chatting: bool = False
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a server that hosts so many deployments, with examples for those in `samples`.

    `keys`: the server asks for them. `chatting`: some of its deployments answer chats.
    """
    facts = Facts(samples, hosted, rows_limit)
    paths: dict[str, dict[str, Any]] = {}
    for (method, template), described in DOCUMENTED.items():
        if described.tag == chats.CHATS and not chatting:
            continue
        if "{" in template and not samples and not chatting:
            continue  # nothing is served that could be named
        paths.setdefault(template, {})[method.lower()] = described.operation(method, template, facts)
    components: dict[str, Any] = {"schemas": {f"{name}_error": schema for name, schema in ERRORS.items()}}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Modelyard",
            "version": server_version(),
            "description": _ABOUT.format(bytes=1 << 20, rows=rows_limit, deepest=DEEPEST),
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(each.tag for each in DOCUMENTED.values())],
        "paths": paths,
        "components": components,
        "x-statuses": {str(status): meaning for status, meaning in MEANINGS.items()},
    }
    if keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        whole["security"] = [{"key": []}]
    return whole


def _of(plane: DataPlane, call: Call) -> dict[str, Any]:
    deployments = plane.deployments
    name = call.parts.get("model")
    shown = list(deployments.current.values()) if name is None else [deployments.find(name)]
    return document(
        [Sample(each) for each in shown if _loaded(each)],
        hosted=len(deployments.current),
        rows_limit=call.rows_limit,
        keys=deployments.feed is not None and deployments.feed.authentication,
        chatting=any(each.applications or each.embedders for each in shown),
    )


def _loaded(deployment: Deployment) -> bool:
    return deployment.route.live.name in deployment.arms


async def _json(plane: DataPlane, call: Call) -> Reply:
    body = json.dumps(_of(plane, call), ensure_ascii=False, indent=1).encode()
    return Reply(200, {"content-type": JSON}, body)


async def _page(plane: DataPlane, call: Call) -> Reply:
    text = page(_of(plane, call), call.headers.get("host", "127.0.0.1:8080"))
    headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": POLICY}
    return Reply(200, headers, text.encode())


PAGES: tuple[Route, ...] = tuple(
    Route("GET", f"{prefix}{path}", handler, Permission.PREDICT, own_error)
    for prefix in ("", "/deployments/{model}")
    for path, handler in (("/openapi.json", _json), ("/docs", _page))
)
"""Where the document is served, for all deployments or one. It shows what models take, and so asks for a key."""
