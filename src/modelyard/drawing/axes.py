"""Axes: from values to pixels, with round numbers beside the lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from markupsafe import Markup

from .picture import figure, short

Range = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """A field of pixels whose sides stand for two ranges of values."""

    x: Range
    y: Range
    left: float = 62.0
    top: float = 40.0
    width: float = 360.0
    height: float = 240.0

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a value."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    def drawn(self, x_label: str, y_label: str) -> Iterator[Markup]:
        """Lines of the grid, numbers, and what the axes mean."""
        for tick in ticks(self.y):
            _, y = self.at(self.x[0], tick)
            yield Markup('<line x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
                self.left, self.left + self.width, y, y
            )
            yield Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(
                self.left - 6, y + 4, figure(tick)
            )
        for tick in ticks(self.x):
            x, _ = self.at(tick, self.y[0])
            yield Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
                x, self.bottom + 16, figure(tick)
            )
        yield Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            self.left + self.width / 2, self.bottom + 34, short(x_label, 60)
        )
        yield Markup('<text transform="translate({:.1f} {:.1f}) rotate(-90)" text-anchor="middle">{}</text>').format(
            14, self.top + self.height / 2, short(y_label, 40)
        )


def ticks(span: Range, wanted: int = 5) -> list[float]:
    """About so many round numbers inside a range: steps of 1, 2 or 5 times a power of ten."""
    low, high = span
    rough = (high - low) / wanted
    power = 10.0 ** floor(log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * 0.999)
    first = ceil(low / step - 1e-9)
    return [round(count * step, 12) for count in range(first, floor(high / step + 1e-9) + 1)]


def span_of(values: Sequence[float], margin: float = 0.05) -> Range:
    """The range of the finite values with a margin; never empty, also for one value or none."""
    finite = [each for each in values if isfinite(each)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = (high - low) * margin if high > low else abs(high) * 0.1 or 1.0
    return (low - room, high + room) if isfinite(high - low) else (low / 4, high / 4)
