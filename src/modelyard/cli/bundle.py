"""`modelyard bundle`."""

from pathlib import Path
from typing import Any

import click

from modelyard.access import Permission
from modelyard.core import Digest
from modelyard.operations import fetching

from .derive import command as derive
from .edge import emit
from .permitting import takes
from .show import fields, table

_FOLDER = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

command = click.Group("bundle", help="Bundles: build, verify, show, fetch, keygen, sign.")
command.add_command(derive(fetching.fetch_bundle, fields))


def _show(result: dict[str, Any]) -> None:
    """The facts, then the inputs and what was tried as tables."""
    facts = {name: each for name, each in result.items() if name not in {"inputs", "attempts"}}
    fields({**facts, "contributions": _said(result["contributions"])})
    click.echo()
    table("name", "kind", "dtype", "shape", "nullable", "unknown", "minimum", "maximum", "categories")(result["inputs"])
    click.echo()
    tried = [{**each, "µs a row at 1, 10, 100, 1000": list(each["rows_us"].values())} for each in result["attempts"]]
    table("runtime", "converter", "faithful", "error", "µs a row at 1, 10, 100, 1000", "size", "why_not")(tried)


def _said(told: dict[str, Any]) -> str:
    if not told["available"]:
        return f"not available: {told['why_not']}"
    return f"available ({told['kind']}), adding up on the scale '{told['scale']}'"


@takes(None)
@command.command("build")
@click.option(
    "--path",
    "model",
    type=_FOLDER,
    required=True,
    help="Model file, MLflow folder, models:/…, runs:/… or all-MiniLM-L6-v2: a pickle runs code, so trust its author.",
)
@click.option(
    "--sample",
    type=_FOLDER,
    help="Training-like rows to prove it with: Parquet, CSV, .npy or .npz; an MLflow model's own example by default.",
)
@click.option("-o", "--output", type=_FOLDER, required=True, help="Folder of the new bundle.")
@click.option("--task", help="binary, multiclass or regression; as the model shows it.")
@click.option("--label", help="Column of the sample with the true class: gives metrics and importance.")
@click.option("--classes", metavar="A,B,C", help="Names of the classes, in the order of the scores.")
@click.option("--name", help="Model's name; the file's by default.")
@click.option("--version", default="1", show_default=True, help="Version's name.")
@click.option("--tolerance", type=float, default=1e-6, show_default=True, help="Scores may differ so much, relatively.")
@click.option("--unknown", default="null", show_default=True, help="An unseen level becomes: null, error or other.")
@click.option("--quantize", is_flag=True, help="Of an embedder: int8 weights, within .05 of the original's direction.")
@click.option("--allow-python", is_flag=True, help="Where nothing faster is faithful, keep the pickle or code itself.")
@_JSON
def build(*, model: Path, as_json: bool, **given: Any) -> None:
    """Build a bundle of a model: try the runtimes, prove that they answer as the model does, keep the best."""
    from modelyard.operations import bundles  # noqa: PLC0415 - `--help` must not pay for it

    asked = bundles.BuildBundle(path=model, **given)
    result = bundles.build_from_files(asked, lambda sentence: click.echo(f"… {sentence}", err=True))
    emit(result, as_json=as_json, show=_show)


@takes(None)
@command.command("verify")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--memory-mb", type=int, default=4096, show_default=True, help="Address space of the process that tries it."
)
@click.option("--seconds", type=float, default=60.0, show_default=True, help="How long it may take.")
@click.option("--allow-python", multiple=True, metavar="DIGEST", help="Let this bundle's own Python run. Repeatable.")
@click.option("--expect", metavar="DIGEST", help="The digest that the bundle must have.")
@click.option("--key", "trusted", multiple=True, metavar="FILE", help="Public key that must have signed. Repeatable.")
@_JSON
def verify(folder: Path, *, allow_python: tuple[str, ...], expect: str | None, as_json: bool, **given: Any) -> None:
    """Compare a bundle with its digests and signatures, then load it and replay its golden rows in its own process."""
    from modelyard.operations import bundles  # noqa: PLC0415 - see above

    allowed = [Digest(each) for each in allow_python]
    wanted = None if expect is None else Digest(expect)
    checked = bundles.check_bundle(folder, allow_python=allowed, expect=wanted, **given)
    emit(checked, as_json=as_json, show=fields)


@takes(None)
@command.command("show")
@click.argument("folder", type=_FOLDER)
@_JSON
def show(folder: Path, *, as_json: bool) -> None:
    """Show a bundle: model, inputs, runtime, whether it explains predictions, and what was tried when it was built."""
    from modelyard.operations import bundles  # noqa: PLC0415 - see above

    emit(bundles.show_bundle(folder), as_json=as_json, show=_show)


@takes(Permission.OPERATE)
@command.command("keygen")
@click.option("--output", "-o", "folder", type=_FOLDER, help="Folder for the two files; the project's keys by default.")
@click.option("--project", type=_FOLDER, default=Path(), help="Folder with modelyard.yaml, or the file.")
@_JSON
def keygen(folder: Path | None, project: Path, *, as_json: bool) -> None:
    """Make a pair of keys (Ed25519) to sign with; never overwrites one."""
    from modelyard.operations import signatures  # noqa: PLC0415 - see above

    emit(signatures.make_keys(folder, project), as_json=as_json, show=fields)


@takes(Permission.OPERATE)
@command.command("sign")
@click.argument("bundle", type=_FOLDER)
@click.option("--key", type=_FOLDER, help="Private key, a PEM file; the project's by default.")
@click.option("--project", type=_FOLDER, default=Path(), help="Folder with modelyard.yaml, or the file.")
@_JSON
def sign(bundle: Path, *, key: Path | None, project: Path, as_json: bool) -> None:
    """Sign a bundle: a folder, or a version of the project as models:/NAME/VERSION. Its digest stays what it is."""
    from modelyard.operations import signatures  # noqa: PLC0415 - see above

    asked = signatures.SignBundle(bundle, key, project)
    emit(signatures.sign(asked), as_json=as_json, show=fields)
