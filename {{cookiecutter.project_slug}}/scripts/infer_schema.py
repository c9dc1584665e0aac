"""A first data schema from the data, for a person to review: ``data_download.py`` asks
for it once. It errs on the side of accepting the next delivery. A column that no model
can learn from, or that gives the target away, is ignored, and says why. Rows of one
customer, say, or in order of time are to be split accordingly."""

import math
import re
from collections import Counter
from difflib import get_close_matches
from typing import Any

import pandas as pd

from src.data.columns import Column, as_text, convert, rarer_class
from scripts.detect_columns import Found, detect
from src.data.schema import ColumnSchema, ColumnType, DataSchema
from src.data.values import NUMERIC
from src.evaluation.leaks import MEASURES, strength, summed
from src.utils.config import Task
from src.utils.errors import DataError

MAX_LISTED_VALUES = 20
MIN_ROWS_PER_VALUE = 10  # with a rarer one, a category is taken to have others, too
MISSING_MARGIN = 0.1  # by which the share of missing values may grow
# With fewer rows, chance alone makes values distinct, or a column equal to the target.
MIN_ROWS_TO_JUDGE = 20
UNREAD = {"dict", "list", "ndarray", "bytes", "Timedelta"}
MAX_NUMBERED_CLASSES = 100  # more whole numbers are amounts, not names
IDENTIFIER_SHARE = 0.9  # of distinct values, from which text identifies the row
NAMED_IDENTIFIER_SHARE = 0.5  # the same for whole numbers in a column called an id
IDENTIFIER_NAME = re.compile(r"(^|[\W_])(id|uuid|guid)$|(^|[\W_a-z])(Id|ID)$")
WHO = "customer|client|user|person|patient|subject|employee|account|session|household"
GROUP_NAME = re.compile(rf"{IDENTIFIER_NAME.pattern}|(?i:(^|[\W_])({WHO})$)")
MIN_GROUPS = 50  # with fewer, a share of the groups is a poor share of the rows
IN_ORDER = 0.9  # of the steps from row to row, from which a date is in order of time
CERTAIN = 0.999  # the strength from which on a column is taken for the target
EXACT = 1 - 1e-9  # the share of the target's variance that a sum explains


def infer_schema(frame: pd.DataFrame, target: str, name: str, task: Task) -> DataSchema:
    """Infer a schema, called ``name``, that the rows of ``read_table`` keep."""
    if target not in frame.columns:
        names = list(frame.columns)
        near = get_close_matches(target, names, n=1) or names[:20]
        raise DataError(f"{name}: no column {target!r} (data.target), perhaps {near}?")
    columns = {column: _infer_column(frame[column]) for column in frame.columns}
    columns[target] = _infer_target(frame[target], name, task)
    group = _group_column(frame, {n: columns[n].type for n in columns if n != target})
    time = _time_column(frame, columns, group)
    if time:  # the test rows are later ones, of those that are known, too
        text = "Says when a row was: the last ones are test rows (time_columns)."
        columns[time] = columns[time].model_copy(update={"description": text})
    elif group:
        reason = "rows of one value are all test rows, or none is (group_column)"
        columns[group] = _ignored(columns[group], reason)
    features = [name for name, column in columns.items() if column.role == "feature"]
    typed = {name: convert(frame[name], column) for name, column in columns.items()}
    found = {n: strength(typed[n], typed[target], task) for n in features}
    reason = f"it alone gives the target away, with an {MEASURES[task]} of"
    leaks = {n: f"{reason} {k:.4f}" for n, k in found.items() if k >= CERTAIN}
    if task == "regression":
        numeric = [n for n in features if columns[n].type in NUMERIC]
        rest = {n: typed[n] for n in numeric if n not in leaks}
        reason = "it, or a weighted sum of such columns, is the target"
        leaks |= dict.fromkeys(summed(rest, typed[target], EXACT), reason)
    if set(leaks) != set(features):  # else there is nothing but them to learn from
        columns |= {leak: _ignored(columns[leak], leaks[leak]) for leak in leaks}
    elif not features:
        reasons = {n: c.description for n, c in columns.items() if c.role == "ignored"}
        raise DataError(f"{name}: no column to predict {target!r} from: {reasons}")
    return DataSchema(
        name=name,
        description=f"Inferred from {len(frame)} rows.",
        group_column=None if time else group,
        time_columns=[time] if time else [],
        positive_class=None if task == "regression" else rarer_class(typed[target]),
        columns=columns,
    )


def _infer_column(column: Column) -> ColumnSchema:
    """Return what to expect of a column that is not the target."""
    found = detect(column)
    counts = convert(column, Found("category")).value_counts()
    complete = len(counts) <= MAX_LISTED_VALUES and counts.min() >= MIN_ROWS_PER_VALUE
    is_listed = found.type == "category" and complete
    listed = sorted(counts.index) if is_listed else None
    schema = _with_limits(column, found, values=listed)
    reason = _reason_to_ignore(column, found.type)
    return _ignored(schema, reason) if reason else schema


def _infer_target(column: Column, name: str, task: Task) -> ColumnSchema:
    """Return what to expect of the target; DataError if it does not suit the task."""
    found, label = detect(column), Found("category")
    labels = convert(column, label).dropna()
    classes = sorted(labels.unique())
    problem, advice = _unsuitable(column, found, classes, task)
    if problem:
        todo = f"{advice} in config/pipeline_config.yaml"
        raise DataError(f"{name}: the target {column.name!r} {problem}; {todo}")
    text = "What the model predicts."
    if task == "regression":
        found = found._replace(type="integer") if found.type == "boolean" else found
        return _with_limits(column, found, role="target", description=text)
    if positive := rarer_class(labels):
        text += f" The positive class is {positive!r} (positive_class)."
    spelled, check = Counter(map(str.casefold, classes)), ""
    if alike := [name for name in classes if spelled[name.casefold()] > 1]:
        check = f"The spelling: {alike} are classes of their own. "
    if single := [name for name, rows in labels.value_counts().items() if rows == 1]:
        check += f"One row alone is {single}: merge it with another, or remove it."
    label = label._replace(check=check.strip())
    return _with_limits(column, label, role="target", description=text, values=classes)


def _unsuitable(
    column: Column, found: Found, classes: list[str], task: Task
) -> tuple[str, str]:
    """Return why a target does not suit the task, if so, and what to set."""
    present, advice = as_text(column).dropna(), "set task or data.target"
    is_number = found.type in NUMERIC
    if len(classes) < 2:
        return f"has only the values {classes}; there is nothing to predict", advice
    if task == "classification":
        advice = "for amounts, set task: regression" if is_number else advice
        if found.type == "integer" and len(classes) > MAX_NUMBERED_CLASSES:
            return f"has {len(classes)} whole numbers as classes", advice
        many = len(classes) > MAX_LISTED_VALUES
        if many and (is_number or len(classes) > len(present) / 2):
            return f"has {len(classes)} distinct values in {len(column)} rows", advice
    elif zeros := [mark for mark in found.missing if not mark.strip("0")]:
        problem = f"holds {zeros[0]!r} among numbers with decimals"
        return problem, f"correct the file, or {advice}"
    elif found.type == "boolean" and convert(column, Found("number")).notna().any():
        return "", ""
    elif not is_number:
        said = f"is to be a number: {found.check[:-1]}"
        if not found.check:
            said = f"holds texts or codes, no numbers, such as {present.iloc[0]!r}"
        return said, f"correct the file, or {advice}"
    return "", ""


def _with_limits(column: Column, found: Found, **rules: Any) -> ColumnSchema:
    """Return a schema with the least value and the share of gaps to accept."""
    values = convert(column, found)
    percent = math.ceil(round((float(values.isna().mean()) + MISSING_MARGIN) * 100, 6))
    if found.type in NUMERIC and values.min() >= 0:
        rules["min"] = 0
    share = min(percent / 100, 1.0)
    return ColumnSchema(**found._asdict(), max_missing=share, **rules)


def _ignored(column: ColumnSchema, reason: str) -> ColumnSchema:
    """Return a column without rules, whose description says why it is ignored."""
    description = f"Ignored: {reason}."
    rules = column.model_dump(include={*Found._fields})
    return ColumnSchema(**rules, role="ignored", max_missing=1, description=description)


def _reason_to_ignore(column: Column, kind: ColumnType) -> str:
    """Return why no model can learn from the column; empty if one might."""
    present = as_text(column).dropna()
    distinct = present.nunique()
    if distinct == 0:
        return "it holds no value"
    kinds = {type(value).__name__ for value in column.dropna().head(MIN_ROWS_TO_JUDGE)}
    if unread := kinds & UNREAD:
        return f"no type of the schema reads {' and '.join(unread)}"
    if distinct == 1 and len(present) == len(column):
        return f"every row holds {present.iloc[0]!r}"
    if len(present) < MIN_ROWS_TO_JUDGE:
        return ""
    share = distinct / len(present)
    if kind == "category" and share > IDENTIFIER_SHARE:
        return "nearly every row has a value of its own, like an identifier"
    if kind == "integer":
        if IDENTIFIER_NAME.search(str(column.name)) and share > NAMED_IDENTIFIER_SHARE:
            return "it is an identifier by its name and its values"
        numbers = convert(column, Found("number")).dropna()
        if share == 1 and numbers.max() - numbers.min() + 1 == len(numbers):
            return "it numbers the rows"
    return ""


def _group_column(frame: pd.DataFrame, kinds: dict[str, ColumnType]) -> str | None:
    """Return what says whose a row is, by its name and as its values repeat, if any;
    the one with fewest values."""
    usable = [n for n, k in kinds.items() if k in ("integer", "category")]
    named = [name for name in usable if GROUP_NAME.search(name)]
    counts = frame[named].apply(as_text).nunique()
    counts = counts[counts.between(MIN_GROUPS, len(frame) / 2)]
    return None if counts.empty else str(counts.idxmin())


def _time_column(
    frame: pd.DataFrame, columns: dict[str, ColumnSchema], group: str | None
) -> str | None:
    """Return a date that the rows are in order of, or that each group has once."""
    for name in (name for name, column in columns.items() if column.type == "date"):
        dates = convert(frame[name], columns[name])
        if dates.isna().any() or dates.nunique() < MIN_ROWS_TO_JUDGE:
            continue
        steps = dates.diff().dropna().dt.total_seconds()
        in_order = max((steps >= 0).mean(), (steps <= 0).mean()) >= IN_ORDER
        if in_order or (group and not frame[[group, name]].duplicated().any()):
            return name
    return None
