"""Dividing rows into a training and a test set, the same way every time."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from src.data.schema import DataSchema
from src.utils.config import SplitSettings
from src.utils.errors import ConfigError, DataError

CONFIG_KEY = "config/pipeline_config.yaml: preprocessing.split"


def split_rows(
    frame: pd.DataFrame, schema: DataSchema, split: SplitSettings, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide the rows, each into exactly one of the two sets.

    Args:
        frame: Typed rows, with a target in each.
        schema: The data contract.
        split: Method and size.
        seed: The same seed and rows give the same sets.

    Returns:
        Training and test rows; in the order of ``frame``, or of time.

    Raises:
        ConfigError: If the method does not suit the data.
        DataError: If there are too few rows.
    """
    if len(frame) < 2:
        found = f"{len(frame)} rows with a target"
        raise DataError(f"{found}; at least 2 are needed for training and test")
    if split.method == "time":
        return _split_by_time(frame, split)
    labels = None
    if split.method == "stratified":
        labels = _labels(frame, schema, split)
    train, test = train_test_split(
        np.arange(len(frame)),
        test_size=split.test_size,
        random_state=seed,
        stratify=labels,
    )
    return frame.iloc[np.sort(train)], frame.iloc[np.sort(test)]


def _labels(
    frame: pd.DataFrame, schema: DataSchema, split: SplitSettings
) -> "pd.Series[str]":
    """Return the classes, if every one of them can be in both sets."""
    if schema.columns[schema.target].type != "category":
        raise ConfigError(
            f"{CONFIG_KEY}.method: found 'stratified', expected random or time for "
            f"the numeric target {schema.target!r}"
        )
    labels = frame[schema.target]
    counts = labels.value_counts()
    test_rows = int(np.ceil(split.test_size * len(frame)))
    smallest_set = min(test_rows, len(frame) - test_rows)
    if counts.min() < 2 or smallest_set < len(counts):
        raise DataError(
            f"target {schema.target!r}: {len(counts)} classes, of which "
            f"{counts.idxmin()!r} has {counts.min()} rows, cannot all be in a test set "
            f"of {test_rows} rows and in the rest; merge or remove rare classes, or "
            f"set {CONFIG_KEY}.method to random"
        )
    return labels


def _split_by_time(
    frame: pd.DataFrame, split: SplitSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the earlier rows and the later ones; one moment is never in both.

    Without time columns the rows are taken to be in order of time.
    """
    unknown = [name for name in split.time_columns if name not in frame.columns]
    if unknown:
        raise ConfigError(
            f"{CONFIG_KEY}.time_columns: found {unknown}, expected columns of the data "
            f"schema: {list(frame.columns)}"
        )
    cut = len(frame) - int(np.ceil(split.test_size * len(frame)))
    if not split.time_columns:
        return frame.iloc[:cut], frame.iloc[cut:]
    ordered = frame.sort_values(split.time_columns, kind="stable", na_position="first")
    moments = ordered[split.time_columns]
    while cut > 0 and moments.iloc[cut].equals(moments.iloc[cut - 1]):
        cut -= 1
    if cut == 0:
        raise DataError(
            f"{CONFIG_KEY}.time_columns: {split.time_columns} are the same in all rows "
            "up to the test set, so that nothing is left to train on"
        )
    return ordered.iloc[:cut], ordered.iloc[cut:]
