"""Confidence intervals of metrics, by the bootstrap.

Of more than ``SAMPLE_ROWS`` rows, samples of so many are drawn, and how far they are
from what is measured on all rows is scaled by the root of the share that they are: the
m out of n bootstrap (Bickel, Götze and van Zwet, "Resampling fewer than n
observations", 1997). A million rows then cost little more than twenty thousand.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from src.evaluation.metrics import Coded, Floats, Predictions, encode, prepare

# Samples are made in blocks of at most this many numbers, which fit a processor cache.
BLOCK_SIZE = 250_000
# The rows of a sample, at most.
SAMPLE_ROWS = 20_000

ONE_CLASS = "all rows are of one class"
CONSTANT_TARGET = "the target is the same in all rows"


class Score(NamedTuple):
    """A metric and its confidence interval, which may be missing."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Measurement:
    """The metrics of one model on one set of rows.

    Attributes:
        rows: How many rows were measured.
        scores: The metrics that are defined on these rows, by name.
        undefined: Why the other metrics are not, by name.
        replicates: Each metric in each bootstrap sample; samples of the same size and
            seed are the same, so those of two models on the same rows are paired.
    """

    rows: int
    scores: dict[str, Score]
    undefined: dict[str, str]
    replicates: dict[str, Floats] = field(repr=False)


def measure(
    predictions: Predictions, confidence: float, samples: int, seed: int
) -> Measurement:
    """Return the metrics of ``predictions`` with percentile bootstrap intervals.

    The interval of a metric covers the ``confidence`` middle part of its values in
    ``samples`` samples of the rows, drawn with replacement (Efron and Tibshirani,
    "An Introduction to the Bootstrap", 1993, chapter 13). It says how much the metric
    would vary with other test rows, not with another training.

    Args:
        predictions: What is measured; at least one row.
        confidence: The coverage of the intervals, between 0 and 1.
        samples: How many bootstrap samples are drawn.
        seed: Of the samples.

    Returns:
        The metrics; an interval is None where there is a single row, or where the
        metric is not defined in more than half of the samples.
    """
    coded, rows = encode(predictions), len(predictions.y_true)
    values = prepare(coded)(np.ones((rows, 1)))
    blocks = list(_sampled(coded, samples, seed))
    scores, undefined, replicates = {}, {}, {}
    for name, value in values.items():
        if not np.isfinite(value[0]):
            undefined[name] = CONSTANT_TARGET if name == "r2" else ONE_CLASS
            continue
        drawn = np.concatenate([block[name] for block in blocks])
        replicates[name] = as_of_all(drawn, value, rows)
        low, high = interval(replicates[name], confidence) if rows > 1 else (None, None)
        scores[name] = Score(float(value[0]), low, high)
    return Measurement(rows, scores, undefined, replicates)


def interval(
    replicates: Floats, confidence: float
) -> tuple[float, float] | tuple[None, None]:
    """Return the percentile interval of bootstrap values.

    Args:
        replicates: The value in each sample, NaN where it is not defined.
        confidence: The coverage, between 0 and 1.

    Returns:
        The two ends; None twice if more than half of the values are not defined.
    """
    defined = replicates[np.isfinite(replicates)]
    if 2 * len(defined) < len(replicates):
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def draw(rows: int, samples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the positions of the rows of each bootstrap sample, drawn with replacement.

    A sample has as many rows as there are, or ``SAMPLE_ROWS`` if there are more; what
    is measured on it then goes through ``as_of_all``.
    """
    random = np.random.default_rng(seed)
    for _ in range(samples):
        yield random.integers(rows, size=min(rows, SAMPLE_ROWS))


def as_of_all(drawn: Floats, value: Floats | float, rows: int) -> Floats:
    """Return replicates as they would be if each sample had all ``rows``.

    Args:
        drawn: What was measured on the samples.
        value: The same, of all rows.
        rows: How many these are.
    """
    scaled: Floats = value + np.sqrt(min(1, SAMPLE_ROWS / rows)) * (drawn - value)
    return scaled


def _sampled(coded: Coded, samples: int, seed: int) -> Iterator[dict[str, Floats]]:
    """Yield the metrics of bootstrap samples, block by block."""
    rows = len(coded.y_true)
    if rows <= SAMPLE_ROWS:
        yield from map(prepare(coded), _resamples(rows, samples, seed))
        return
    once = np.ones((SAMPLE_ROWS, 1))
    for drawn in draw(rows, samples, seed):
        yield prepare(coded.take(drawn))(once)


def _resamples(rows: int, samples: int, seed: int) -> Iterator[Floats]:
    """Yield how often each row is in each bootstrap sample, shape (rows, block)."""
    random = np.random.default_rng(seed)
    block = max(1, BLOCK_SIZE // rows)
    for start in range(0, samples, block):
        size = min(block, samples - start)
        drawn = random.integers(rows, size=(rows, size))
        cells = (drawn * size + np.arange(size)).ravel()
        counts = np.bincount(cells, minlength=rows * size)
        yield counts.reshape(rows, size).astype(np.float64)
