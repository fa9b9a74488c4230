"""Whether something grows: the upper end of a 95% interval of its slope.

Two looks at what a process uses, a moment apart, say nearly the same, so least squares over all of them believes to
know far more than it does. Batch means (Law and Kelton, "Simulation Modeling and Analysis", 9.5.3) take that into
account: looks are put into a few long batches, of each the median is kept, which a spike does not move, and a line is
laid through these few, with Student's t of their number. Batches must be longer than looks resemble one another: what
rises and falls in waves as long as the whole has no such bound.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

BATCHES = 8


def at_most(seconds: ArrayLike, sizes: ArrayLike) -> float:
    """The upper end of the 95% interval of the growth an hour, as a share of the mean.

    ValueError for fewer than three looks a batch.
    """
    looks = np.size(sizes)
    if looks < 3 * BATCHES:
        raise ValueError(f"{looks} looks are too few: {3 * BATCHES} at least.")
    times = [np.mean(each) for each in np.array_split(np.asarray(seconds, float), BATCHES)]
    medians = [np.median(each) for each in np.array_split(np.asarray(sizes, float), BATCHES)]
    line = stats.linregress(times, medians)
    upper = line.slope + stats.t.ppf(0.975, BATCHES - 2) * line.stderr
    return float(upper * 3600 / np.mean(medians))
