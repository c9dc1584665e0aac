"""What is inferred from data that nobody has described."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.detect_columns import Found, detect
from scripts.infer_schema import infer_schema
from src.data.schema import DataSchema
from src.evaluation.leaks import strength
from src.utils.config import Task
from src.utils.errors import DataError

ROWS = 60


def frame_with(target: Any = None, **columns: Any) -> pd.DataFrame:
    """Return rows as a CSV file gives them: text, with a feature and a target."""
    rng = np.random.default_rng(0)
    content = {"x": rng.normal(size=ROWS).round(3)} | columns
    content["y"] = ["a", "b", "c"] * (ROWS // 3) if target is None else target
    frame = pd.DataFrame(content).astype("object")
    return frame.where(frame.notna(), None).astype("str")


def infer(frame: pd.DataFrame, task: Task = "classification") -> DataSchema:
    """Return the schema inferred for the target ``y``."""
    return infer_schema(frame, "y", "test", task)


@pytest.mark.parametrize(
    "values, expected",
    [
        (["1", "-2", "None"], Found("integer")),
        (["00501", "12345"], Found("category")),
        (["yes", "NO", None], Found("boolean")),
        (["2024-01-31T10:00:00Z", "2024-02-01 10:00"], Found("date")),
        (["$1,234.50", "($5)", "$.5"], Found("number", "$1,234.5")),
        (["1.234,5 €", "-2,25 €"], Found("number", "1.234,5 €")),
        (["1.5", "2", "-", "-"], Found("number", missing=["-"])),
    ],
)
def test_how_a_column_is_written_is_found(values: Any, expected: Found) -> None:
    assert detect(pd.Series(values, dtype="str")) == expected


@pytest.mark.parametrize(
    "values, told",
    [
        (["1.5", "2", "3", "soon"], "75 % are numbers, but not 'soon' (row 4)"),
        (["01/02/2024", "03/04/2024"], "Could also be written as %m/%d/%Y"),
        (["2.338", "878"], "Could also be written as 1.234,5"),
        (["7", "007"], "Codes, as in '007'"),
    ],
)
def test_what_is_doubtful_is_told(values: list[str], told: str) -> None:
    assert told in detect(pd.Series(values, dtype="str")).check


@pytest.mark.parametrize(
    "values, reason",
    [
        (["same"] * ROWS, "every row holds 'same'"),
        ([None] * ROWS, "holds no value"),
        (range(5, 5 + ROWS), "numbers the rows"),
        ([f"name {n}" for n in range(ROWS)], "like an identifier"),
        ([10 ** (n % 3) for n in range(ROWS)], "gives the target away"),
    ],
)
def test_columns_that_do_not_help_are_ignored_with_the_reason(
    values: Any, reason: str
) -> None:
    column = infer(frame_with(c=values)).columns["c"]
    assert column.role == "ignored"
    assert reason in column.description


def test_classes_that_differ_in_case_alone_are_told() -> None:
    told = infer(frame_with(target=["Yes", "yes", "no"] * (ROWS // 3))).columns["y"]
    assert "['Yes', 'yes'] are classes of their own" in told.check


@pytest.mark.parametrize(
    "target, task, problem",
    [
        (np.arange(ROWS) / 7, "classification", "60 distinct values in 60 rows"),
        (["yes", "no"] * (ROWS // 2), "regression", "no numbers, such as 'yes'"),
    ],
)
def test_a_target_that_does_not_suit_the_task_is_refused(
    target: Any, task: Task, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        infer(frame_with(target=target), task)


RANDOM = np.random.default_rng(0)
IS_YES = RANDOM.random(400) < 0.3
LABELS = pd.Series(np.where(IS_YES, "yes", "no"))
NOISE = pd.Series(RANDOM.normal(size=400))


@pytest.mark.parametrize(
    ("column", "gives_away"),
    [
        (NOISE + 9 * IS_YES, True),
        (NOISE.where(IS_YES), True),  # by what is missing
        (pd.Series([f"{label}{n % 9}" for n, label in enumerate(LABELS)]), True),
        (NOISE + 2 * IS_YES, False),  # honest
        (NOISE, False),
    ],
)
def test_a_column_that_alone_tells_the_classes_is_found(
    column: "pd.Series[Any]", gives_away: bool
) -> None:
    assert (strength(column, LABELS, "classification") >= 0.99) is gives_away
