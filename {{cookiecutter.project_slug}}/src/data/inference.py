"""A first data schema from the data themselves, for a person to review.

What is inferred errs on the side of accepting the next delivery of the same data:

- a number may not become negative if it never was; it has no other limit;
- a category lists its values only if each was seen ``MIN_ROWS_PER_VALUE`` times, as
  otherwise another rare one is to be expected;
- the share of missing values may grow by ``MISSING_MARGIN``;
- a column that no model can learn from (constant, empty, an identifier) or that gives
  the target away is ignored, with the reason in its description.
"""

import math
import re
from difflib import get_close_matches

import pandas as pd

from src.data.columns import Column, as_numbers, as_text, convert
from src.data.detection import Detected, detect
from src.data.leakage import find_leaks
from src.data.schema import TARGET_TYPES, ColumnSchema, ColumnType, DataSchema
from src.utils.config import Task
from src.utils.errors import DataError

MAX_LISTED_VALUES = 20
MIN_ROWS_PER_VALUE = 10
MISSING_MARGIN = 0.1
# With fewer rows, chance alone makes values distinct.
MIN_ROWS_TO_JUDGE = 20
IDENTIFIER_SHARE = 0.9  # of distinct values, from which text identifies the row
NAMED_IDENTIFIER_SHARE = 0.5  # the same for whole numbers in a column called an id
IDENTIFIER_NAME = re.compile(r"(^|[\W_])(id|uuid|guid)$|(^|[\W_a-z])(Id|ID)$")
ADVICE = "set `task` or `data.target` in config/pipeline_config.yaml accordingly"


def infer_schema(frame: pd.DataFrame, target: str, name: str, task: Task) -> DataSchema:
    """Infer the data contract from data.

    Args:
        frame: The rows as ``read_table`` gives them.
        target: The column to predict.
        name: What to call the data set.
        task: Decides the type that the target must have.

    Returns:
        A schema that ``frame`` satisfies.

    Raises:
        DataError: If the target is not there or does not suit the task, or if no
            column is left to predict it from.
    """
    if target not in frame.columns:
        names = [str(column) for column in frame.columns]
        near = get_close_matches(target, names, n=1) or names[:20]
        raise DataError(
            f"{name}: no column {target!r}; did you mean one of {near}? "
            "Set data.target in config/pipeline_config.yaml"
        )
    columns = {}
    for column in frame.columns:
        if column == target:
            columns[column] = _infer_target(frame[column], name, task)
        else:
            columns[column] = _infer_column(frame[column])
    _ignore_leaks(frame, columns, target, task)
    if not any(column.role == "feature" for column in columns.values()):
        reasons = {n: c.description for n, c in columns.items() if c.role == "ignored"}
        raise DataError(f"{name}: no column to predict {target!r} from: {reasons}")
    description = f"Inferred from {len(frame)} rows."
    return DataSchema(name=name, description=description, columns=columns)


def _infer_column(column: Column) -> ColumnSchema:
    """Return what to expect of a column that is not the target."""
    detected = detect(column)
    text = as_text(column)
    reason = _reason_to_ignore(column, text, detected)
    if reason:
        return _ignored(detected.type, detected.format, reason)
    return ColumnSchema(
        type=detected.type,
        description=detected.remark,
        format=detected.format,
        max_missing=_max_missing(convert(column, detected.type, detected.format)),
        min=_least(column, detected.type),
        values=_values(text) if detected.type == "category" else None,
    )


def _infer_target(column: Column, name: str, task: Task) -> ColumnSchema:
    """Return what to expect of the target.

    Raises:
        DataError: If its values do not suit the task.
    """
    text = as_text(column)
    classes = sorted(text.dropna().unique())
    found = detect(column).type
    problem = f"{name}: the target {column.name!r} "
    if len(classes) < 2:
        values = f"only the value {classes[0]!r}" if classes else "no value"
        raise DataError(f"{problem}holds {values}; there is nothing to predict")
    if task == "classification":
        many = len(classes) > MAX_LISTED_VALUES
        if many and (found == "number" or len(classes) > len(text.dropna()) / 2):
            raise DataError(
                f"{problem}has {len(classes)} distinct values in {len(text)} rows, "
                f"expected a few classes for classification; {ADVICE}"
            )
        kind: ColumnType = "category"
    else:
        if found == "boolean" and as_numbers(column).notna().any():
            found = "integer"
        if found not in TARGET_TYPES[task]:
            unread = text[as_numbers(column).isna()].dropna()
            raise DataError(
                f"{problem}holds {len(unread)} values that are no numbers, such as "
                f"{unread.iloc[0]!r}; regression needs numbers; {ADVICE}"
            )
        kind = found
    return ColumnSchema(
        type=kind,
        role="target",
        description="What the model predicts.",
        max_missing=_max_missing(convert(column, kind, None)),
        min=_least(column, kind),
        values=classes if kind == "category" else None,
    )


def _reason_to_ignore(column: Column, text: Column, detected: Detected) -> str:
    """Return why no model can learn from the column; empty if one might."""
    present = text.dropna()
    if present.empty:
        return "it holds no value"
    distinct = present.nunique()
    if distinct == 1 and len(present) == len(text):
        return f"every row holds {present.iloc[0]!r}"
    if len(present) < MIN_ROWS_TO_JUDGE:
        return ""
    share = distinct / len(present)
    if detected.type == "category" and share > IDENTIFIER_SHARE:
        return "nearly every row has a value of its own, like an identifier"
    if detected.type == "integer":
        if IDENTIFIER_NAME.search(str(column.name)) and share > NAMED_IDENTIFIER_SHARE:
            return "it is an identifier by its name and its values"
        numbers = as_numbers(column).dropna()
        if share == 1 and numbers.max() - numbers.min() + 1 == len(numbers):
            return "it numbers the rows"
    return ""


def _ignore_leaks(
    frame: pd.DataFrame, columns: dict[str, ColumnSchema], target: str, task: Task
) -> None:
    """Ignore the columns that give the target away, unless there are no others."""
    features = [name for name, column in columns.items() if column.role == "feature"]
    numeric = [n for n in features if columns[n].type in ("integer", "number")]
    others = [name for name in features if name not in numeric]
    leaks = find_leaks(frame, numeric, others, target, task)
    if set(leaks) == set(features):
        return
    for name, reason in leaks.items():
        columns[name] = _ignored(columns[name].type, columns[name].format, reason)


def _ignored(kind: ColumnType, date_format: str | None, reason: str) -> ColumnSchema:
    """Return a column without rules, whose description says why it is ignored."""
    return ColumnSchema(
        type=kind,
        role="ignored",
        format=date_format,
        max_missing=1.0,
        description=f"Ignored: {reason}.",
    )


def _max_missing(values: Column) -> float:
    """Return the share of missing values to accept, in whole hundredths."""
    share = float(values.isna().mean()) + MISSING_MARGIN
    return min(1.0, math.ceil(round(share * 100, 6)) / 100)


def _least(column: Column, kind: ColumnType) -> int | None:
    """Return 0 for numbers that are never negative."""
    if kind not in ("integer", "number"):
        return None
    return 0 if as_numbers(column).min() >= 0 else None


def _values(text: Column) -> list[str] | None:
    """Return the values of a category if they look complete."""
    counts = text.value_counts()
    complete = len(counts) <= MAX_LISTED_VALUES and counts.min() >= MIN_ROWS_PER_VALUE
    return sorted(counts.index) if complete else None
