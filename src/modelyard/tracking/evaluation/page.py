"""An evaluation as one page of HTML that needs nothing but itself."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .figures import figures_of
from .records import Evaluation


def evaluation_page(evaluation: Evaluation, title: str) -> str:
    """Metrics, figures and slices; names and values of the data are escaped."""
    columns = list(dict.fromkeys(name for each in evaluation.slices for name in each.metrics))
    page: str = _environment().get_template("evaluation.html.j2").render(
        title=title,
        evaluation=evaluation,
        figures=[Markup(each) for each in figures_of(evaluation).values()],  # noqa: S704 - drawn, and escaped, by us
        columns=columns,
    )  # fmt: skip
    return page


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("modelyard.tracking.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = _figure
    return environment


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
