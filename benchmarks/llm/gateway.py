"""What the gateway costs: ours and LiteLLM's proxy, one worker each, before an upstream that answers at once.

Ours has two arms that callers are assigned to, a budget, the prediction log with full texts, metrics. It is measured
as `llm register` makes an application, and with the default guards on both sides. LiteLLM's proxy has what its page on
production asks of one that keeps nothing: no debugging, errors alone in its log, `LITELLM_MODE=PRODUCTION`. It has no
keys, no database, no guards and no budget, all of which would cost it more.

The load is wrk's, which asks the upstream itself for many times what any gateway reaches. What a gateway adds to
an answer is measured with one connection: at sixteen an answer waits for fifteen others. Generator, gateway and
upstream share the machine.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from modelyard.control import free_port, free_ports
from modelyard.core import Digest
from modelyard.generation import Application, Price, PriceList, Sampling, Target, Upstream
from modelyard.guards import GuardSet, default_set
from modelyard.llm import application_bundle
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServingPolicy

from ..environments import install
from ..serving.closed import NoLoad, drive, probe
from ..serving.processes import Running
from ..serving.records import Endpoint, Load, median_load

REQUESTS, STREAMS, ADDED_MS = 25.0, 20.0, 1.5
"""The targets: how many times LiteLLM's requests and streams a second, and what is added to the median answer."""

CONNECTIONS = 16
LITELLM = "litellm[proxy]==1.106.2"

_PATH = "/v1/chat/completions"
_SAID = "one two three four five six seven eight"
_WARM_SECONDS, _READY_SECONDS = 2.0, 120.0
_QUESTIONS = 64
_LITELLM = """
model_list:
  - model_name: desk
    litellm_params:
      model: openai/instant
      api_base: {url}
      api_key: none
litellm_settings:
  set_verbose: false
  request_timeout: 600
general_settings:
  disable_error_logs: true
"""


def gateway(folder: Path, seconds: float, repeats: int) -> dict[str, dict[str, float]]:
    """What each side reaches: `requests_per_s` and `streams_per_s` with sixteen connections, `p50_ms` of answers with
    one. `upstream` is asked directly. Sides take turns, in changing order; each figure is the median of them."""
    python = install("litellm", [LITELLM]) / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        upstream = stack.enter_context(_upstream(folder))
        ports = {
            "upstream": upstream,
            "modelyard": stack.enter_context(_ours(folder, upstream, None)),
            "guarded": stack.enter_context(_ours(folder, upstream, default_set())),
            "LiteLLM": stack.enter_context(_litellm(folder, upstream, python)),
        }
        whole, streamed = (
            {name: _endpoint(name, port, stream=on) for name, port in ports.items()} for on in (False, True)
        )
        for each in (*whole.values(), *streamed.values()):
            probe(each, then=_as_expected)
            drive(each, connections=CONNECTIONS, seconds=_WARM_SECONDS)
        loads = {
            "requests_per_s": _in_turns(whole, CONNECTIONS, seconds, repeats),
            "streams_per_s": _in_turns(streamed, CONNECTIONS, seconds, repeats),
            "alone": _in_turns(whole, 1, seconds, repeats),
        }
    return {
        name: {
            "requests_per_s": loads["requests_per_s"][name].requests_per_s,
            "streams_per_s": loads["streams_per_s"][name].requests_per_s,
            "p50_ms": loads["alone"][name].p50_ms,
        }
        for name in ports
    }


def _in_turns(ends: Mapping[str, Endpoint], connections: int, seconds: float, repeats: int) -> dict[str, Load]:
    """The median load of each; NoLoad when one of them refuses an answer."""
    loads: dict[str, list[Load]] = {name: [] for name in ends}
    for turn in range(repeats):
        for name in list(ends)[:: 1 if turn % 2 == 0 else -1]:
            load = drive(ends[name], connections=connections, seconds=seconds)
            if load.errors:
                raise NoLoad(f"{name} failed {load.errors} times.")
            loads[name].append(load)
    return {name: median_load(each) for name, each in loads.items()}


def _endpoint(name: str, port: int, *, stream: bool) -> Endpoint:
    model = "instant" if name == "upstream" else "desk"
    told = {"stream": True} if stream else {}
    return Endpoint(port, _PATH, tuple(_body(model, at, told) for at in range(_QUESTIONS)))


def _body(model: str, at: int, told: Mapping[str, bool]) -> bytes:
    text = f"My order of the {at + 1}th has not come, and nobody answers the telephone. When are you open, and where?"
    return msgspec.json.encode({"model": model, "messages": [{"role": "user", "content": text}], **told})


def _as_expected(answer: bytes) -> None:
    """NoLoad unless the upstream's answer is in there."""
    if answer.startswith(b"data:"):
        events = [json.loads(each[6:]) for each in answer.decode().split("\n\n") if each and each != "data: [DONE]"]
        said = "".join(each["choices"][0]["delta"].get("content") or "" for each in events if each["choices"])
    else:
        said = json.loads(answer)["choices"][0]["message"]["content"]
    if said != _SAID:
        raise NoLoad(f"The answer is {said!r:.80}, and should be {_SAID!r}.")


@contextmanager
def _upstream(folder: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.llm.instant", f"--port={port}"]
    with Running(command, log=folder / "upstream.log", cwd=Path.cwd()) as running:
        running.until_listening(port, seconds=_READY_SECONDS)
        yield port


@contextmanager
def _ours(folder: Path, upstream: int, guards: GuardSet | None) -> Iterator[int]:
    home = folder / f"ours-{time.time_ns()}"
    home.mkdir()
    feed = FeedFolder(home / "feed")
    arms = [_application(home, feed, tokens, guards) for tokens in (256, 255)]
    route = Route(
        "desk", "desk", 1, (Arm("live", "live", "1", arms[0], 0.5), Arm("canary", "canary", "2", arms[1], 0.5)), "salt"
    )
    prices = PriceList({"instant": Price(150_000, 600_000, 75_000)})
    feed.publish(
        Feed(
            1,
            (route,),
            policies={"desk": ServingPolicy(budget_micros=10**15, log_text="full")},
            upstreams={"here": msgspec.to_builtins(Upstream(f"http://127.0.0.1:{upstream}/v1", prices=prices))},
        )
    )
    port, metrics = free_ports(2)
    folders = [f"--{name}={home / name}" for name in ("feed", "journal", "online")]
    command = [sys.executable, "-m", "modelyard.serving", *folders, f"--port={port}", f"--metrics-port={metrics}"]
    with Running(command, log=folder / "ours.log", cwd=Path.cwd()) as running:
        running.until_ready(f"http://127.0.0.1:{port}/ready")
        yield port


def _application(home: Path, feed: FeedFolder, tokens: int, guards: GuardSet | None) -> Digest:
    bundle = home / f"application-{tokens}"
    digest_of_guards, document = (None, None) if guards is None else (guards.digest, guards.document)
    made = Application((Target("here", "instant"),), guards=digest_of_guards, sampling=Sampling(tokens, 0.2))
    digest = application_bundle(bundle, "desk", made, None, document)
    feed.put_bundle(bundle, digest)
    return digest


@contextmanager
def _litellm(folder: Path, upstream: int, python: Path) -> Iterator[int]:
    port, configuration = free_port(), folder / "litellm.yaml"
    configuration.write_text(_LITELLM.format(url=f"http://127.0.0.1:{upstream}/v1"))
    program = [str(python.parent / "litellm"), f"--config={configuration.resolve()}", "--host=127.0.0.1"]
    environment = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, and keys would cost it time
        "PYTHONPATH": "",
        "VIRTUAL_ENV": str(python.parents[1]),
    }
    command = [*program, f"--port={port}", "--num_workers=1", "--telemetry=False"]
    with Running(command, log=folder / "litellm.log", cwd=folder, environment=environment) as running:
        running.until_ready(f"http://127.0.0.1:{port}/health/liveliness", seconds=_READY_SECONDS)
        yield port
