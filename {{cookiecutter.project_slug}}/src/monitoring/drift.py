"""Whether what the service is asked, and what it answers, is distributed as the test
rows were: one check for each column and each way in which it can change."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from pandas import DataFrame, Series, concat, factorize
from scipy import stats

from src.data.columns import Column
from src.data.schema import DataSchema
from src.data.values import NUMERIC
from src.evaluation.metrics import Predictions
from src.monitoring.settings import AlarmSettings

MIN_EXPECTED = 5  # rows of a category in the smaller part; rarer ones are one


class Check(NamedTuple):
    """What was compared, how large the change is, and by what chance it would be so
    large if nothing had changed."""

    check: str
    column: str
    reference: str
    window: str
    effect: float  # a share of the rows, or of the score
    limit: float  # which smaller effects do not alarm
    p_value: float
    alarm: bool = False


def check_features(
    reference: DataFrame, window: DataFrame, schema: DataSchema, limits: AlarmSettings
) -> Iterator[Check]:
    """Yield the checks of the columns that both have. Time moves on by itself: of dates
    and what is named, only whether values are missing is checked."""
    unchecked = {*schema.time_columns, *limits.unchecked}
    for name in reference.columns.intersection(window.columns):
        kind, old, new = schema.columns[name].type, reference[name], window[name]
        yield from _more("missing", name, old.isna(), new.isna(), limits)
        old, new = old.dropna(), new.dropna()
        if old.empty or new.empty or kind == "date" or name in unchecked:
            continue
        if kind == "category":
            once, unseen = ~old.duplicated(keep=False), ~new.isin(old.unique())
            yield from _more("new values", name, once, unseen, limits)
        if kind in NUMERIC:
            ends = old.min(), old.max()
            beyond = ~old.between(*ends), ~new.between(*ends)
            yield from _more("out of range", name, *beyond, limits)
            yield numbers("drift", name, old, new, limits)
        else:
            yield categories("drift", name, old, new, limits)


def check_predictions(
    reference: Predictions, window: Predictions, limits: AlarmSettings
) -> Iterator[Check]:
    """Yield the checks of what was predicted, and of two classes how probable."""
    old, new = Series(reference.y_pred), Series(window.y_pred)
    name = "prediction"
    if reference.task == "regression":
        yield numbers("prediction drift", name, old, new, limits)
        return
    yield categories("prediction drift", name, old, new, limits)
    if len(reference.classes) == 2:
        # Another processor may compute the last digits otherwise.
        parts = (np.asarray(p.probabilities) for p in (reference, window))
        old, new = (Series(part[:, 1].round(5)) for part in parts)
        name = f"probability of {reference.classes[1]}"
        yield numbers("prediction drift", name, old, new, limits)


def numbers(
    check: str, name: str, old: Column, new: Column, limits: AlarmSettings
) -> Check:
    """Compare numbers by the Kolmogorov-Smirnov test, whose statistic is the share of
    rows by which the distributions are apart at most."""
    found: Any = stats.ks_2samp(old, new, method="asymp")
    effect, p_value = float(found.statistic), float(found.pvalue)
    before, now = (f"median {part.median():.4g}" for part in (old, new))
    return Check(check, name, before, now, effect, limits.min_share, p_value)


def categories(
    check: str, name: str, old: Column, new: Column, limits: AlarmSettings
) -> Check:
    """Compare categories by the chi-squared test of two samples; the effect is the
    share of rows that would have to be of another category (total variation)."""
    codes, names = factorize(concat([old.astype(object), new.astype(object)]))
    parts = codes[: len(old)], codes[len(old) :]
    counts = np.array([np.bincount(part, minlength=len(names)) for part in parts])
    expected = counts.sum(axis=0) * min(len(old), len(new)) / len(codes)
    rare = expected < MIN_EXPECTED
    names = np.append(names[~rare], "all others")
    counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    is_found = counts.any(axis=0)
    counts, names = counts[:, is_found], names[is_found]
    shares = counts / counts.sum(axis=1, keepdims=True)
    moved, p_value = np.abs(shares[1] - shares[0]), 1.0
    if len(moved) > 1:
        p_value = float(stats.chi2_contingency(counts, correction=False).pvalue)
    most = moved.argmax()
    before, now = (f"{share:.1%} {names[most]}" for share in shares[:, most])
    effect = float(moved.sum() / 2)
    return Check(check, name, before, now, effect, limits.min_share, p_value)


def _more(
    check: str, name: str, old: Column, new: Column, limits: AlarmSettings
) -> Iterator[Check]:
    """Check, if it happens at all, whether something happens in a larger share of the
    rows (Fisher's exact test). New values are held against those that the reference has
    once: as many are to be expected (Good, "The population frequencies of species",
    1953)."""
    if old.any() or new.any():
        table = [[new.sum(), (~new).sum()], [old.sum(), (~old).sum()]]
        p_value = float(stats.fisher_exact(table, alternative="greater").pvalue)
        before, now = float(old.mean()), float(new.mean())
        effect, shown = max(0.0, now - before), (f"{before:.1%}", f"{now:.1%}")
        yield Check(check, name, *shown, effect, limits.min_share, p_value)


def decide(checks: list[Check], rate: float) -> list[Check]:
    """Return the checks with those that alarm, so that a window without any change has
    one at most at this rate (Holm, "A simple sequentially rejective multiple test
    procedure", 1979), and no change that is too small to matter does."""
    order = sorted(range(len(checks)), key=lambda number: checks[number].p_value)
    sure: set[int] = set()
    for rank, number in enumerate(order):
        if checks[number].p_value > rate / (len(checks) - rank):
            break
        sure.add(number)
    return [
        check._replace(alarm=number in sure and check.effect >= check.limit)
        for number, check in enumerate(checks)
    ]
