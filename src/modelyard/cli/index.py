"""`modelyard index`."""

from pathlib import Path
from typing import Any

import click

from modelyard.operations import retrieving

from .derive import command as derive
from .edge import emit
from .permitting import takes
from .show import fields, table

_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_EMBEDDER = click.option("--embedder", type=_PATH, required=True, help="Bundle of the embedder.")
_ALLOW = click.option(
    "--allow", "rules", multiple=True, metavar="PATTERN=GROUP,…",
    help="Who may read which sources; the last that fits decides, else everybody. Repeatable.",
)  # fmt: skip
_SHOWN = 300

command = click.Group("index", help="Indexes of documents: build, update, query, verify, register, withdraw.")
command.add_command(derive(retrieving.register_index, fields))
command.add_command(derive(retrieving.withdraw_sources, fields))


def _progress(sentence: str) -> None:
    click.echo(f"… {sentence}", err=True)


@takes(None)
@command.command("build")
@click.argument("index", type=_PATH)
@click.argument("sources", type=_PATH, nargs=-1, required=True)
@_EMBEDDER
@click.option("--tokens", type=int, default=200, show_default=True, help="The most tokens of a chunk.")
@click.option("--overlap", type=int, default=40, show_default=True, help="Tokens that it repeats of the one before.")
@_ALLOW
@_JSON
def build(
    index: Path,
    sources: tuple[Path, ...],
    embedder: Path,
    tokens: int,
    overlap: int,
    rules: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Build an index in a new folder of the text, Markdown, HTML and PDF in these files and folders."""
    from modelyard.operations import indexes  # noqa: PLC0415 - as above
    from modelyard.retrieval import Cutting  # noqa: PLC0415 - `--help` must not pay for it

    made = indexes.build(index, sources, embedder, cutting=Cutting(tokens, overlap), rules=rules, progress=_progress)
    emit(made, as_json=as_json, show=_show_change)


@takes(None)
@command.command("update")
@click.argument("index", type=_PATH)
@click.argument("sources", type=_PATH, nargs=-1)
@_EMBEDDER
@click.option("--remove", multiple=True, metavar="SOURCE", help="A source that leaves the index. Repeatable.")
@_ALLOW
@click.option("--prune", "pruning", is_flag=True, help="Keep no older version: they hold the texts as they were.")
@_JSON
def update(
    index: Path,
    sources: tuple[Path, ...],
    embedder: Path,
    remove: tuple[str, ...],
    rules: tuple[str, ...],
    *,
    pruning: bool,
    as_json: bool,
) -> None:
    """Bring an index up to date: only what changed is embedded. What the sources no longer hold leaves it."""
    from modelyard.operations import indexes  # noqa: PLC0415 - see above

    made = indexes.update(index, sources, embedder, remove=remove, rules=rules, pruning=pruning, progress=_progress)
    emit(made, as_json=as_json, show=_show_change)


@takes(None)
@command.command("query")
@click.argument("index", type=_PATH)
@click.argument("question")
@_EMBEDDER
@click.option("-k", "k", type=int, default=5, show_default=True, help="How many chunks at most.")
@click.option("--as", "groups", multiple=True, metavar="GROUP", help="A group that asks. Repeatable.")
@click.option("--mode", default="hybrid", show_default=True, help="hybrid, vectors or words.")
@click.option("--budget", type=int, metavar="TOKENS", help="The most tokens of all chunks together.")
@_JSON
def query(index: Path, question: str, embedder: Path, *, as_json: bool, **given: Any) -> None:
    """Find what answers a question, best first, each with the characters of its source where it stands."""
    from modelyard.operations import indexes  # noqa: PLC0415 - see above

    emit(indexes.query(indexes.Query(index, embedder, question, **given)), as_json=as_json, show=_show_found)


@takes(None)
@command.command("verify")
@click.argument("index", type=_PATH)
@click.argument("sources", type=_PATH, nargs=-1)
@click.option("--embedder", type=_PATH, help="Bundle of the embedder, to compare vectors with what it gives.")
@click.option("--sample", type=click.IntRange(1), default=64, show_default=True, help="Vectors that are compared.")
@_JSON
def verify(index: Path, sources: tuple[Path, ...], embedder: Path | None, sample: int, *, as_json: bool) -> None:
    """Compare an index with its digests, its spans with the sources, a sample of its vectors with the embedder's."""
    from modelyard.operations import indexes  # noqa: PLC0415 - see above

    emit(indexes.verify(index, sources, embedder, sample=sample), as_json=as_json, show=fields)


def _show_change(made: dict[str, Any]) -> None:
    """Lists as how many they have."""
    fields({name: len(each) if isinstance(each, list) else each for name, each in made.items()})


def _show_found(result: dict[str, Any]) -> None:
    """A line a chunk, then what each says."""
    found = result["found"]
    if not found:
        click.echo("Nothing was found.")
        return
    lines = [
        {
            "": f"[{at}]",
            "source": each["citation"]["source"],
            "characters": f"{each['citation']['start']}-{each['citation']['end']}",
            "score": each["score"],
            "by vector": each["by_vector"],
            "by words": each["by_words"],
            "tokens": each["tokens"],
        }
        for at, each in enumerate(found, start=1)
    ]
    table("", "source", "characters", "score", "by vector", "by words", "tokens")(lines)
    for at, each in enumerate(found, start=1):
        text = each["text"]
        click.echo(f"\n[{at}] {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}")
