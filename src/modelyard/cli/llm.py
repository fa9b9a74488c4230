"""`modelyard llm`."""

from pathlib import Path
from typing import Any

import click
import msgspec

from modelyard.access import Permission
from modelyard.core import Failed, ModelyardError, atomic_write
from modelyard.operations import applications, judging

from .derive import PROJECT_HELP, anywhere, asked
from .derive import command as derive
from .edge import Inconclusive, emit, exit_code, open_project, talk
from .permitting import takes
from .show import fields, table

_PATH = click.Path(path_type=Path)
_SHOWN = 5


def _next(result: dict[str, Any]) -> None:
    """The item as it is to be judged, then how far I am."""
    item = result["item"]
    if item is None:
        click.echo(f"You have judged all {result['items']} answers of {result['queue']}.")
        return
    parts = {"question": item["question"], "answer": item["answer"]}
    parts |= {f"chunk {number}": chunk for number, chunk in enumerate(item["chunks"], 1)}
    parts |= {} if item["expected"] is None else {"expected": item["expected"]}
    for name, text in parts.items():
        click.echo(f"[{name}]\n{text}\n")
    if item.get("hidden"):  # an older control plane does not tell
        click.echo(f"{item['hidden']} more of what it was given you may not read, or nobody any more.\n")
    said = "" if item["mine"] is None else f", of which you said {item['mine']['label']}"
    click.echo(f"item {item['item']}{said}; you have judged {result['labelled']} of {result['items']}")


def _labelled(result: dict[str, Any]) -> None:
    again = "already " if result["unchanged"] else ""
    click.echo(f"{result['item']} is {again}labelled {result['label']}: {result['labelled']} of {result['items']}")


def _agreement(result: dict[str, Any]) -> None:
    """Who labelled how many, then a line for every two."""
    table("person", "pass", "fail", "skip")([{"person": by, **counts} for by, counts in result["by"].items()])
    click.echo()
    lines = [{**each, "95%": _span(each)} for each in result["pairs"]]
    table("one", "other", "items", "agree", "kappa", "95%")(lines)
    click.echo()
    fields({"most people say": result["majority"]})


command = click.Group(
    "llm",
    help="Applications of language models, and what people say of them: register, eval, queue, unqueue, queues, "
    "next, label, labels, agreement.",
)
command.add_command(derive(applications.register_application, fields))
command.add_command(derive(judging.queue_answers, fields))
command.add_command(derive(judging.remove_queue, fields))
command.add_command(derive(judging.list_queues, table("queue", "items", "mine", "people", "created_at")))
command.add_command(derive(judging.next_answer, _next))
command.add_command(derive(judging.label_answer, _labelled))
command.add_command(derive(judging.agreement, _agreement))


@anywhere
@takes(judging.labels_of.permission)
@command.command("labels")
@click.argument("name")
@click.option("-o", "--output", type=_PATH, help="Write them here, a JSON object a line, for an evaluation.")
@click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def labels(name: str, output: Path | None, project_folder: Path | None, *, as_json: bool) -> None:
    """What people said of each item, skips left out, by the names that items have in their evaluation or log."""
    found = asked(judging.labels_of, judging.OneQueue(name), project_folder)
    if output is not None:
        atomic_write(output, b"".join(msgspec.json.encode(each) + b"\n" for each in found))
        emit({"labels": len(found), "file": str(output)}, as_json=as_json, show=fields)
    else:
        emit(found, as_json=as_json, show=table("item", "label", "by"))


_RETRIEVAL = ("home", "embedder", "mode")
_ANSWERS = (
    "deployment", "url", "application", "version", "answers", "repeat", "at_once", "deadline", "key", "scorer", "judge",
    "judge_target", "labels", "most", "items", "project_folder",
)  # fmt: skip
_SPELLED = {"home": "index", "project_folder": "project"}


@takes(None)
@command.command("eval")
@click.argument("suite", type=_PATH)
@click.option("--index", "home", type=_PATH, help="Retrieval: index that is asked.")
@click.option("--embedder", type=_PATH, help="Retrieval: bundle of its embedder.")
@click.option("--mode", help="Retrieval: hybrid (the default), vectors or words.")
@click.option("--deployment", metavar="NAME", help="Answers: deployment that runs.")
@click.option("--url", help="With --deployment: its server, http://HOST:PORT; by default the project's own.")
@click.option("--application", metavar="NAME", help="Answers: application, on a server started for it alone.")
@click.option("--version", help="With --application: number, label or alias.")
@click.option("--answers", type=_PATH, help="Answers: those that --output wrote; nobody is asked.")
@click.option("--repeat", type=int, help="Times that every case is asked (1).")
@click.option("--at-once", type=int, help="Cases that are asked at the same time (1).")
@click.option("--deadline", type=float, help="Seconds until an answer counts as not coming (120).")
@click.option("--key", multiple=True, metavar="GROUP,…=VARIABLE", help="Variable with the key of groups. Repeatable.")
@click.option("--scorer", multiple=True, metavar="MODULE:FUNCTION", help="Metric of your own. Repeatable.")
@click.option("--judge", metavar="REFERENCE", help="Prompt that passes or fails answers: prompts:/NAME/3.")
@click.option("--judge-target", metavar="UPSTREAM/MODEL", help="Model that the judge is asked of.")
@click.option(
    "--labels", metavar="FILE|queue:NAME", help="What people said: JSON lines or CSV (item, label, by), or a queue."
)
@click.option("--baseline", metavar="OTHER", help="Compare with another index or mode; deployment, NAME/VERSION, file.")
@click.option("--least", multiple=True, metavar="METRIC=VALUE", help="Limit such as recall@10=0.8. Repeatable.")
@click.option("--most", multiple=True, metavar="METRIC=VALUE", help="Answers: the other way round. Repeatable.")
@click.option("-o", "--output", type=_PATH, help="Also write everything, each question's metrics too, as JSON.")
@click.option("--items", type=_PATH, help="Answers: write them for people to judge, as JSON lines.")
@click.option("--project", "project_folder", type=_PATH, help=PROJECT_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def evaluate(suite: Path, *, as_json: bool, **given: Any) -> None:
    """Ask an index or an application a suite of cases, with intervals; 1 below a limit, 6 when chance decides."""
    from modelyard.llm.answers import kind_of  # noqa: PLC0415 - `--help` must not pay for it

    told = {name: value for name, value in given.items() if value not in (None, ())}
    if kind_of(suite) == "answers":
        _refuse(told, _RETRIEVAL, "retrieval")
        result = _of_answers(suite, told)
        emit(result, as_json=as_json, show=_show_answers)
    else:
        _refuse(told, _ANSWERS, "answers")
        result = _of_retrieval(suite, told)
        emit(result, as_json=as_json, show=_show)
    if (error := _ending(result)) is not None:
        talk(error)
        raise click.exceptions.Exit(exit_code(error))


def _of_retrieval(suite: Path, told: dict[str, Any]) -> dict[str, Any]:
    from modelyard.operations import indexes  # noqa: PLC0415 - `--help` must not pay for it

    if lacking := [f"--{_SPELLED.get(name, name)}" for name in ("home", "embedder") if name not in told]:
        raise click.UsageError(f"A suite of retrieval needs {' and '.join(lacking)}.")
    return indexes.evaluate(indexes.Evaluation(suite, **told), _progress)


def _of_answers(suite: Path, told: dict[str, Any]) -> dict[str, Any]:
    """In the project of the folder, where there is one."""
    from modelyard.operations import answering  # noqa: PLC0415 - `--help` must not pay for it
    from modelyard.wiring import FILE_NAME  # noqa: PLC0415 - as above

    folder = told.pop("project_folder", None)
    given = answering.AnswerEvaluation(suite=suite, **told)
    if folder is None and not Path(FILE_NAME).is_file():
        return answering.evaluate_answers(given, None, _progress)
    with open_project(folder or Path(), Permission.DEVELOP) as project:
        return answering.evaluate_answers(given, project, _progress)


def _refuse(told: dict[str, Any], names: tuple[str, ...], kind: str) -> None:
    """UsageError for options of the other kind of suite."""
    if strange := [f"--{_SPELLED.get(name, name).replace('_', '-')}" for name in names if name in told]:
        raise click.UsageError(f"{', '.join(strange)}: only for suites of {kind}, and this one is not.")


def _ending(result: dict[str, Any]) -> ModelyardError | None:
    """What a verdict other than `pass` is told as."""
    verdict = result.get("verdict", "pass")
    if verdict == "pass":
        return None
    reasons = "; ".join(result["reasons"])
    if verdict == "fail":
        return Failed(f"{reasons}.", code="SUITE_FAILED", remedy="Mend what it asks: --output has every question.")
    return Inconclusive(f"{reasons}.", code="SUITE_INCONCLUSIVE", remedy=result.get("remedy", "Ask more questions."))


def _progress(sentence: str) -> None:
    click.echo(f"… {sentence}", err=True)


def _show(result: dict[str, Any]) -> None:
    """The facts, then a line a metric."""
    fields({name: result[name] for name in ("suite", "version", "index", "mode", "cases", "unknown")})
    click.echo()
    better = result.get("baseline", {}).get("better_by", {})
    lines = [
        {"metric": name, "value": each["value"], "95%": _span(each), "better by": _better(better.get(name))}
        for name, each in result["metrics"].items()
    ]
    table("metric", "value", "95%", *(["better by"] if better else []))(lines)


def _span(measured: dict[str, Any]) -> str:
    return "" if measured["lower"] is None else f"{measured['lower']:.3f} to {measured['upper']:.3f}"


def _better(measured: dict[str, Any] | None) -> str:
    return "" if measured is None else f"{measured['value']:+.3f} ({_span(measured)})"


def _show_answers(result: dict[str, Any]) -> None:
    """The facts, a line a metric, a line a metric of each slice, and what is known of the judge."""
    facts = {name: result[name] for name in ("suite", "version", "digest", "asked", "bundles", "cases", "repeat")}
    baseline = result.get("baseline", {})
    fields(facts | ({"baseline": baseline["asked"]} if baseline else {}))
    click.echo()
    better = baseline.get("better_by", {})
    spread = ["spread"] if result["repeat"] > 1 else []
    more = ["better by"] if better else []
    lines = [{**_line(name, each), "better by": _better(better.get(name))} for name, each in result["metrics"].items()]
    table("metric", "value", "95%", "cases", "failed", *spread, *more)(lines)
    slices = [
        {"slice": tag, **_line(name, each)} for tag, found in result["slices"].items() for name, each in found.items()
    ]
    if slices:
        click.echo()
        table("slice", "metric", "value", "95%", "cases", "failed")(slices)
    if "judge" in result:
        click.echo()
        _show_judge(result["judge"])
    for fault in result["faults"][:_SHOWN]:
        click.echo(f"error in {fault['metric']} of {fault['case']}, asked {fault['turn']}: {fault['error']}", err=True)
    if len(result["faults"]) > _SHOWN:
        click.echo(f"and {len(result['faults']) - _SHOWN} more errors: --output has them all.", err=True)


def _show_judge(judge: dict[str, Any]) -> None:
    """What it was, and how far it agrees with people."""
    known = judge["calibration"]
    kappa = (
        "unknown" if known["kappa"] is None else f"{known['kappa']:.3f} ({known['lower']:.3f} to {known['upper']:.3f})"
    )
    fields(
        {
            "judge": judge["prompt"],
            **{name: judge[name] for name in ("target", "judged", "unparsed", "cost_micros")},
            "labels": known["labels"],
            "kappa": kappa,
            "decides": f"nothing, for {known['untrusted']}" if known["untrusted"] else "limits on judge",
        }
    )


def _line(name: str, each: dict[str, Any]) -> dict[str, Any]:
    return {**each, "metric": name, "value": f"{each['value']:.4g}", "95%": _narrow(each), "spread": _spread(each)}


def _narrow(measured: dict[str, Any]) -> str:
    return "" if measured["lower"] is None else f"{measured['lower']:.4g} to {measured['upper']:.4g}"


def _spread(measured: dict[str, Any]) -> str:
    return "" if measured["spread"] is None else f"{measured['spread']:.3g}"
