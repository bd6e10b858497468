"""How far a mean of correlated values may be off: batch means, and Student's t.

Steps of training are not independent: a slow link, a hot rack, an evaluation every thousand steps
make neighbours alike. The standard error of independent values would be too small by several times.
So the window is cut into batches, the batches' means are taken as the sample, and it is tested
whether these are still alike: if so, batches are made longer, and if the window is too short for
that, there is no interval.

Sources: Conway, "Some tactical problems in digital simulation", Management Science 10 (1963);
Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30 (1982):
between 10 and 30 batches serve almost as well as more.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

MOST_BATCHES = 30
LEAST_BATCHES = 10
LEAST_PER_BATCH = 5
"""Values of one batch, so that its mean is a mean."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean, and how sure it is.

    Attributes:
        value: The mean.
        n: Values it is of.
        batches: Batches the error was found from; 0 where there is none.
        error: Standard error of the mean; None where the values do not tell.
        deviation: Standard deviation that values of a long stretch add to its mean: that of one
            value, made larger by their likeness (`error * sqrt(n)`); None as above.
        why: Why there is no error, or nothing.
    """

    value: float
    n: int
    batches: int = 0
    error: float | None = None
    deviation: float | None = None
    why: str = ""

    def half_width(self, confidence: float, ahead: float = math.inf) -> float | None:
        """Half the width of the interval for the mean of values to come; None where unknown.

        The mean of the next m values scatters itself, so its interval is wider than that of the
        true mean, by sqrt(1 + n / m).

        Args:
            confidence: Such as 0.95.
            ahead: How many values are to come; all there ever will be, if not given.

        Raises:
            ValueError: The confidence is none, or nothing is to come.
        """
        if ahead <= 0:
            raise ValueError("nothing to come")
        if self.error is None:
            return None
        t = student_t(0.5 + confidence / 2, self.batches - 1)
        return t * self.error * math.sqrt(1 + self.n / ahead)


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of values in their order, with its error.

    Raises:
        ValueError: There is none, or one is no finite number.
    """
    n = len(values)
    if not n or not all(math.isfinite(value) for value in values):
        raise ValueError("a mean needs finite values")
    mean = math.fsum(values) / n
    if n < LEAST_BATCHES * LEAST_PER_BATCH:
        least = LEAST_BATCHES * LEAST_PER_BATCH
        return Mean(mean, n, why=f"{n} values are too few for an interval; it takes {least}")
    batches = min(MOST_BATCHES, n // LEAST_PER_BATCH)
    while True:
        means = _means(values, batches)
        centre = math.fsum(means) / batches
        squares = math.fsum((m - centre) ** 2 for m in means)
        if squares == 0 or not _is_alike(means, centre, squares):
            break
        if batches == LEAST_BATCHES:
            why = "values depend on one another for longer than the window tells; measure longer"
            return Mean(mean, n, why=why)
        batches = max(LEAST_BATCHES, batches * 2 // 3)
    error = math.sqrt(squares / (batches - 1) / batches)
    return Mean(mean, n, batches, error, error * math.sqrt(n))


def student_t(q: float, freedom: int) -> float:
    """The q-quantile of Student's t, for at least 3 degrees of freedom.

    Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5): within 0.05 % of the tables for 9
    degrees of freedom and more, at 97.5 %.

    Raises:
        ValueError: Too few degrees of freedom, or no quantile between 0 and 1.
    """
    if freedom < 3 or not 0 < q < 1:
        raise ValueError(f"no quantile {q} of Student's t with {freedom} degrees of freedom")
    x = NormalDist().inv_cdf(q)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92_160,
    )
    return x + math.fsum(term / math.pow(freedom, i) for i, term in enumerate(terms, start=1))


def _means(values: Sequence[float], batches: int) -> list[float]:
    """Means of as good as equal batches, over all values."""
    edges = [len(values) * i // batches for i in range(batches + 1)]
    return [math.fsum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]


def _is_alike(means: Sequence[float], centre: float, squares: float) -> bool:
    """Whether neighbouring batches are alike, by their first autocorrelation at 5 %, one-sided.

    Of independent values it is about normal with mean -1/b and variance 1/b.
    """
    b = len(means)
    products = math.fsum(
        (one - centre) * (other - centre) for one, other in itertools.pairwise(means)
    )
    return products / squares > -1 / b + 1.645 / math.sqrt(b)
