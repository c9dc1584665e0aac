"""Columns that give the target away, as a model must not be told the answer."""

import numpy as np
import pandas as pd

from src.data.columns import as_numbers, as_text
from src.utils.config import Task

# With fewer rows, chance alone makes a column equal to the target.
MIN_ROWS = 20
EXACT = 1e-5  # of the target's spread, within which a sum counts as the target


def find_leaks(
    frame: pd.DataFrame, numeric: list[str], others: list[str], target: str, task: Task
) -> dict[str, str]:
    """Return the columns that determine the target exactly, with the reason.

    For classes, one column is looked at after the other; for numbers, also weighted
    sums of numeric columns, such as parts of which the target is the total.

    Args:
        frame: Rows as ``read_table`` gives them.
        numeric: The feature columns that hold numbers.
        others: The other feature columns.
        target: The column to predict.
        task: What the target is.

    Returns:
        Column -> why it gives the target away.
    """
    if task == "classification":
        reason = "each of its values stands for one class of the target"
        names = [*numeric, *others]
        return {n: reason for n in names if _renames(frame, n, target)}
    numbers = pd.DataFrame({name: as_numbers(frame[name]) for name in numeric})
    goal = as_numbers(frame[target])
    # One by one first: a column with gaps has no place in the sum below.
    leaks = {
        name: "it is the target in other units"
        for name in numeric
        if _sums_to(numbers[[name]].dropna(), goal)
    }
    whole = numbers.drop(columns=list(leaks)).dropna(axis="columns")
    parts = _sums_to(whole, goal)
    return leaks | {n: "the target is a weighted sum of such columns" for n in parts}


def _renames(frame: pd.DataFrame, name: str, target: str) -> bool:
    """Return whether column and classes correspond one to one."""
    pairs = pd.DataFrame({"a": as_text(frame[name]), "b": as_text(frame[target])})
    pairs = pairs.dropna()
    if len(pairs) < MIN_ROWS:
        return False
    return bool((pairs.nunique() == len(pairs.drop_duplicates())).all())


def _sums_to(columns: pd.DataFrame, target: "pd.Series[float]") -> list[str]:
    """Return the columns whose weighted sum is the target; none if it is not.

    By least squares on standardised columns, for rows that have a target.
    """
    goal = target.reindex(columns.index).dropna()
    columns = columns.loc[goal.index]
    columns = columns.loc[:, columns.std() > 0]
    if len(goal) < max(MIN_ROWS, 2 * columns.shape[1]) or not goal.std() > 0:
        return []
    features = ((columns - columns.mean()) / columns.std()).to_numpy("float64")
    goals = ((goal - goal.mean()) / goal.std()).to_numpy("float64")
    weights = np.linalg.lstsq(features, goals, rcond=None)[0]
    if np.abs(features @ weights - goals).max() > EXACT:
        return []
    return [str(n) for n, w in zip(columns, weights, strict=True) if abs(w) > EXACT]
