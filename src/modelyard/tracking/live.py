"""A run that goes on: what is logged, in few writes, with what it was made with and how good it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import msgspec
from numpy.typing import ArrayLike

from modelyard.core import InvalidInput

from .curves import Curves, remembered
from .evaluation import Declared, Evaluation, How, evaluate, evaluation_page, figures_of, with_declared
from .names import require_names, within
from .outbox import Outbox
from .tracker import MOST_CHARACTERS, Point, Run, Tracker

DELAY = 1.0
"""Seconds after which a metric is written, at the latest."""

_TAG_CHARACTERS = 8_000
_SLICES = 200
"""Slices whose metrics become metrics of the run; the others are in its evaluation."""


@dataclass(frozen=True)
class UsedDataset:
    """A dataset as a run names it. `shape`: rows and columns."""

    name: str
    digest: str
    source: str
    shape: Mapping[str, object]


def _nothing_declared(model: str | None) -> Declared:  # noqa: ARG001 - one of several that are asked alike
    """Outside a project nothing is."""
    return Declared()


def _not_kept(evaluation: Evaluation, name: str) -> None:
    """Outside a project MLflow has it alone."""


class LiveRun:
    """A run between its beginning and its end; made by `modelyard.run`. Several threads may log.

    Metrics are gathered and written within a second, in their order, and all of them when the run ends, however it
    ends. Everything else is written at once.
    """

    def __init__(
        self,
        tracker: Tracker,
        run: Run,
        *,
        dataset: Callable[[Any, str | None], UsedDataset],
        mask: Callable[[str], str] = str,
        delay: float = DELAY,
        declared: Callable[[str | None], Declared] = _nothing_declared,
        keep: Callable[[Evaluation, str], object] = _not_kept,
    ) -> None:
        """`dataset` tells what a thing is that was given as one; `mask` takes secrets out of text.

        `declared`: by what columns the models of the project are judged; `keep` takes evaluations, with their name.
        """
        self.id = run.id
        self._tracker = tracker
        self._run = run
        self._dataset = dataset
        self._mask = mask
        self._declared = declared
        self._keep = keep
        self._params: dict[str, str] = {}
        self._outbox: Outbox[Point] = Outbox(run.log_points, delay=delay)
        self._curves = Curves()
        self._remembered: set[int] = set()

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, object] | None = None,
        step: int | None = None,
    ) -> None:
        """Parameters, metrics and tags. `step`: of the metrics; those with several steps are drawn when the run ends.

        InvalidInput for names that MLflow does not take, for a metric that is no number, and for a parameter that had
        another value before. NaN and infinities are kept. Texts keep their first 6000 (tags: 8000) characters.
        """
        told = {str(name): self._mask(str(value))[:MOST_CHARACTERS] for name, value in (params or {}).items()}
        labels = {str(name): self._mask(str(value))[:_TAG_CHARACTERS] for name, value in (tags or {}).items()}
        values = {str(name): _number(name, value) for name, value in (metrics or {}).items()}
        require_names([*told, *labels, *values])
        fresh = self._fresh(told)
        at, place = self._tracker.now_ms(), 0 if step is None else int(step)
        if fresh or labels:
            self._run.log_points((), params=fresh, tags=labels)
            self._params |= fresh
        self._outbox.put([Point(name, value, at, place) for name, value in values.items()])
        if step is not None:
            for name, value in values.items():
                self._curves.note(name, place, value)

    def evaluate(
        self, subject: Any, labels: ArrayLike, *, name: str = "", model: str | None = None, **how: Unpack[How]
    ) -> Evaluation:
        """Judge a model, or its answers, against labels: metrics, metrics of slices and groups, a page of figures.

        `how`: the rows and all else that `tracking.evaluate` takes by name. `name` tells several evaluations of a run
        apart: it goes before the metrics' names (`holdout/auc`), and its files are in `evaluation/holdout`. Without it
        they are `auc`, and in `evaluation`. `model`: of the project, whose declared slices and groups are measured
        where no others are asked for; by default the project's only model.
        """
        found = evaluate(subject, labels, **with_declared(how, self._declared(model)))
        before = f"{name}/" if name else ""
        told = {f"{before}{metric}": value for metric, value in found.metrics.items()}
        for each in found.slices[:_SLICES]:
            place = f"{before}slice/{within(each.column)}/{within(each.value)}"
            told |= {f"{place}/{metric}": value for metric, value in each.metrics.items()}
        self.log(metrics=told)
        self._log_remembered(subject)
        page = {"index.html": evaluation_page(found, name or "Evaluation")}
        page["evaluation.json"] = msgspec.json.encode(found).decode()
        figures = {f"{figure}.svg": svg for figure, svg in figures_of(found).items()}
        self._run.log_texts(page | figures, f"evaluation/{within(name)}" if name else "evaluation")
        self._keep(found, name)
        return found

    def log_model(self, model: Any, sample: Any, *, name: str = "model", requirements: Sequence[str] = ()) -> str:
        """Log a model with its signature and requirements; returns its URI, to load, bundle or register it by.

        A model of scikit-learn, XGBoost, LightGBM, ONNX or PyTorch, an object with `predict`, or a function of rows.
        `sample`: a few rows as the model reads them. `requirements`, such as `name==1.2`, are added to the versions
        found installed of what the model is made of, and win over them. What the model remembers of its training is
        logged by step. InvalidInput for what cannot predict; what the model raises for its sample is raised.
        """
        self._log_remembered(model)
        self._outbox.flush()
        return self._run.log_model(model, sample, name, requirements)

    def log_dataset(self, dataset: Any, name: str | None = None, *, context: str = "training") -> str:
        """Put on record which data was used; returns its digest.

        `dataset`: a table, data frame, matrix or mapping of columns, which `name` then names; or a version of the
        project's, as `name@3` or as it was added. `context`: what for, such as `training` or `evaluation`.
        """
        used = self._dataset(dataset, name)
        self._run.log_dataset(used.name, used.digest, used.source, used.shape, context)
        self.log(tags={f"modelyard.dataset.{within(used.name)}": used.digest})
        return used.digest

    def log_file(self, path: Path | str, name: str | None = None) -> None:
        """Keep a file, under its own name or another, such as `plots/first.png`."""
        file = Path(path)
        if not file.is_file():
            raise InvalidInput(f"There is no file {file}.", context={"path": str(file)}, remedy="Write it first.")
        folder, _, last = (name or file.name).rpartition("/")
        _require_inside(folder, last)
        self._run.log_file(file, last, folder)

    def log_text(self, text: str, name: str) -> None:
        """Keep a text as a file of this name, such as `notes/first.md`."""
        folder, _, last = name.rpartition("/")
        _require_inside(folder, last)
        self._run.log_texts({last: self._mask(text)}, folder)

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure of Matplotlib or Plotly, or the text of an SVG, as a file of this name: .png, .html or .svg."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / name.rpartition("/")[2]
            if isinstance(figure, str):
                path.write_text(figure, encoding="utf-8")
            elif hasattr(figure, "savefig"):
                figure.savefig(path)
            elif hasattr(figure, "write_html"):
                figure.write_html(path, include_plotlyjs=True)
            else:
                raise InvalidInput(
                    f"A {type(figure).__name__} is no figure.",
                    context={"path": "figure"},
                    remedy="Give a figure of Matplotlib or Plotly, or an SVG as text.",
                )
            self.log_file(path, name)

    def flush(self) -> None:
        """Write what waits now."""
        self._outbox.flush()

    def finish(self) -> None:
        """Write what waits, and draw the learning curves. TrackingUnavailable when MLflow does not take them."""
        self._outbox.close()
        if (drawn := self._curves.drawn()) is not None:
            self._run.log_texts({"learning-curves.svg": drawn})

    @property
    def waiting(self) -> int:
        """How many metrics are not written yet."""
        return len(self._outbox)

    def _fresh(self, told: Mapping[str, str]) -> dict[str, str]:
        """Parameters that are not logged yet."""
        changed = [name for name, text in told.items() if self._params.get(name, text) != text]
        if changed:
            first = changed[0]
            raise InvalidInput(
                f"Parameter '{first}' is {self._params[first][:80]!r} and cannot become {told[first][:80]!r}: "
                "a run has one value of each.",
                context={"path": f"params.{first}"},
                remedy="Begin another run inside this one, or log it as a metric with steps.",
            )
        return {name: text for name, text in told.items() if name not in self._params}

    def _log_remembered(self, model: Any) -> None:
        if id(model) in self._remembered:
            return
        self._remembered.add(id(model))
        for name, values in remembered(model):
            for step, value in enumerate(values):
                self.log(metrics={within(name): value}, step=step)


def _number(name: object, value: Any) -> float:
    try:
        found = float(value)  # numpy's, PyTorch's, and whatever else can become one
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"Metric '{str(name)[:80]}' is {str(value)[:60]!r}, which is no number.",
            context={"path": f"metrics.{str(name)[:80]}"},
            remedy="Log texts as tags or parameters.",
        ) from error
    return found


def _require_inside(folder: str, last: str) -> None:
    parts = [*folder.split("/"), last] if folder else [last]
    if any(each in ("", ".", "..") for each in parts):
        raise InvalidInput(
            f"'{folder}/{last}' is no name of a file in the run." if folder else f"'{last}' is no name of a file.",
            context={"path": "name"},
            remedy="Write a name, or folder/name.",
        )
