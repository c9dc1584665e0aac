"""What is inferred from data that nobody has described."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from scripts.detect_columns import detect
from scripts.infer_schema import infer_schema
from src.data.columns import to_schema_types
from src.data.schema import ColumnSchema
from src.data.validation import find_violations
from src.utils.config import Task
from src.utils.errors import DataError
from tests.unit.test_schema import ROWS, frame_with, infer


def column_of(values: Any, task: Task = "classification") -> ColumnSchema:
    """Return what is inferred for a column of the values given."""
    target = (
        np.random.default_rng(1).normal(size=ROWS) if task == "regression" else None
    )
    return infer(frame_with(target, c=values), task).columns["c"]


def repeated(*values: Any) -> list[Any]:
    """Return the values again and again, in an order that follows no other column."""
    return list(np.random.default_rng(2).choice(np.array(values, dtype="object"), ROWS))


@pytest.mark.parametrize(
    "values, kind",
    [
        (["1", "-2", "30"], "integer"),
        (["1.0", "2", "1e3"], "number"),
        (["1", "None", "3"], "integer"),
        (["007", "123"], "category"),
        (["12345678901234567890", "1"], "category"),
        (["yes", "NO", None], "boolean"),
        (["0", "1", ""], "boolean"),
        (["true", "true"], "category"),
        (["2024-01-31", "2024-02-01"], "date"),
        (["2024-01-31T10:00:00Z", "2024-02-01 10:00"], "date"),
        (["2024-01-31", "soon"], "category"),
        (["1,5", "2"], "number"),
        (["inf", "1"], "integer"),
        (["some 2024 text"], "category"),
        ([None, ""], "category"),
    ],
)
def test_type_is_the_strictest_that_fits_all_values(values: Any, kind: str) -> None:
    assert detect(pd.Series(values, dtype="str")).type == kind


@pytest.mark.parametrize(
    "values, kind",
    [
        (pd.Series([1, 2]), "integer"),
        (pd.Series([1.0, 2.0]), "number"),
        (pd.Series([True, None], dtype="boolean"), "boolean"),
        (pd.Series(["a"], dtype="category"), "category"),
        (pd.Series(pd.to_datetime(["2024-01-01"], utc=True)), "date"),
    ],
)
def test_types_of_parquet_files_are_kept(values: "pd.Series[Any]", kind: str) -> None:
    assert detect(values).type == kind


@pytest.mark.parametrize(
    "values, expected",
    [
        (["31/12/2023", "01/02/2024"], "%d/%m/%Y"),
        (["12/31/2023", "01/02/2024"], "%m/%d/%Y"),
        (["31.12.2023 23:59", "1.2.2024 00:00"], "%d.%m.%Y %H:%M"),
        (["12/31/2023 11:59 PM"], "%m/%d/%Y %I:%M %p"),
        (["31 Dec 2023", "1 May 2024"], "%d %b %Y"),
    ],
)
def test_format_of_dates_is_the_one_that_reads_all(
    values: list[str], expected: str
) -> None:
    assert detect(pd.Series(values, dtype="str")).format == expected


def test_doubtful_dates_ask_for_review() -> None:
    column = column_of(repeated("01/02/2024", "03/04/2024"))
    assert column.type == "date"
    assert "Could also be written as %m/%d/%Y" in column.check


def test_identifiers_are_told_by_name_and_values() -> None:
    ids = [n * 7 % 1000 for n in range(ROWS)]
    schema = infer(frame_with(**{"customer ID": ids, "PassengerId": ids, "paid": ids}))
    roles = {name: column.role for name, column in schema.columns.items()}
    assert roles["customer ID"] == roles["PassengerId"] == "ignored"
    assert roles["paid"] == "feature"


def test_the_target_in_other_units_is_ignored() -> None:
    target = np.random.default_rng(3).normal(size=ROWS)
    schema = infer(frame_with(target, c=target * 1.8 + 32), "regression")
    assert "is the target" in schema.columns["c"].description


def test_parts_that_add_up_to_the_target_are_ignored() -> None:
    rng = np.random.default_rng(4)
    parts = {name: rng.integers(0, 99, ROWS) for name in ("casual", "registered")}
    frame = frame_with(parts["casual"] + parts["registered"], **parts)
    schema = infer(frame, "regression")
    assert schema.features == ["x"]
    assert "weighted sum" in schema.columns["casual"].description
    noisy = frame_with(
        parts["casual"] + parts["registered"] + rng.random(ROWS), **parts
    )
    assert infer(noisy, "regression").features == ["x", *parts]


def test_a_column_is_not_ignored_if_it_is_all_there_is() -> None:
    frame = pd.DataFrame({"x": range(0, 200, 2), "y": range(5, 105)})
    schema = infer_schema(frame.sample(frac=1, random_state=0), "y", "t", "regression")
    assert schema.features == ["x"]


def test_a_mostly_missing_column_stays_a_feature() -> None:
    column = column_of(["seldom"] + [None] * (ROWS - 1))
    assert (column.role, column.max_missing) == ("feature", 1.0)


def test_only_rules_that_new_data_will_keep_are_inferred() -> None:
    assert column_of(repeated(3, 5)).min == 0
    assert column_of(repeated(3, 5)).max is None
    assert column_of(repeated(-3, 5, 6)).min is None
    assert column_of(repeated("p", "q")).values == ["p", "q"]
    assert column_of(["rare"] + repeated("p", "q")[1:]).values is None
    assert column_of([None, *repeated("p", "q")[1:]]).max_missing == 0.12


def test_data_keep_the_schema_that_was_inferred_from_them() -> None:
    columns = {
        "num, 'quoted' \"name\"": repeated(1, "None", None),
        "größe 日本": repeated("S", "M", None, "?"),
        "when": repeated("31/12/2023", "01/02/2024", ""),
        "flag": repeated("Yes", "no", None),
    }
    frame = frame_with(**columns)
    schema = infer(frame)
    assert schema.features == ["x", *columns]
    assert find_violations(frame, schema) == []
    assert to_schema_types(frame, schema).notna().any().all()


def test_classes_are_labels_whatever_they_look_like() -> None:
    column = infer(frame_with(target=[0, 1, 2] * (ROWS // 3))).columns["y"]
    assert (column.type, column.values) == ("category", ["0", "1", "2"])
    assert infer(frame_with(target=["0", "1"] * (ROWS // 2))).columns["y"].values == [
        "0",
        "1",
    ]


def test_zero_and_one_can_be_a_numeric_target() -> None:
    schema = infer(frame_with(target=[0, 1] * (ROWS // 2)), "regression")
    assert schema.columns["y"].type == "integer"


@pytest.mark.parametrize(
    "target, task, problem",
    [
        (np.arange(ROWS) / 7, "classification", "60 distinct values in 60 rows"),
        ([f"n{n}" for n in range(ROWS)], "classification", "60 distinct values"),
        (["a", "b"] * (ROWS // 2), "regression", "no numbers, such as 'a'"),
        (["yes", "no"] * (ROWS // 2), "regression", "no numbers, such as 'yes'"),
        (["00501", "00502"] * (ROWS // 2), "regression", "such as '00501'"),
        (
            [1] * ROWS,
            "regression",
            "only the values ['1']; there is nothing to predict",
        ),
        ([None] * ROWS, "classification", "only the values []; there is nothing"),
    ],
)
def test_a_target_that_does_not_suit_the_task_says_what_to_do(
    target: Any, task: Task, problem: str
) -> None:
    with pytest.raises(DataError) as caught:
        infer(frame_with(target=target), task)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_target_suggests_a_column() -> None:
    with pytest.raises(
        DataError, match=r"no column 'yy' \(data.target\), perhaps \['y'\]"
    ):
        infer_schema(frame_with(), "yy", "test", "classification")


def test_a_target_without_features_is_refused() -> None:
    with pytest.raises(DataError, match="no column to predict 'y' from"):
        infer(frame_with(x="same"))


@pytest.mark.parametrize(
    ("who", "values", "dates", "group", "time"),
    [
        ("customer_id", 100, "shuffled", "customer_id", None),
        ("User", 100, None, "User", None),
        ("customer_id", 400, None, None, None),  # each has a row of its own
        ("shop_id", 10, None, None, None),  # a share of ten is a poor share
        ("colour", 100, "shuffled", None, None),
        ("colour", 100, "in order", None, "day"),
        ("customer_id", 100, "in order", None, "day"),
        ("customer_id", 100, "once for each", None, "day"),
    ],
)
def test_whose_rows_are_and_when_they_were_is_proposed_for_the_split(
    who: str, values: int, dates: str | None, group: str | None, time: str | None
) -> None:
    rng, rows = np.random.default_rng(0), np.arange(400)
    frame = pd.DataFrame({who: rows % values + 1000, "x": rng.normal(size=400)})
    frame["y"] = rng.choice(["a", "b"], 400)
    if dates is not None:
        number = rows // 100 * 30 + rows % 30 if dates == "once for each" else rows // 4
        frame["day"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(number, "D")).date
    if dates == "shuffled":
        frame["day"] = rng.permutation(frame["day"])
    if dates == "once for each":
        frame = frame.sample(frac=1, random_state=0)
    if values == 400:
        frame[who] = rng.permutation(frame[who])
    found = infer_schema(frame.astype("str"), "y", "made", "classification")
    assert (found.group_column, found.time_columns) == (group, [time] if time else [])
    told = found.columns[time or group or "y"].description
    assert ("time_columns" in told, "group_column" in told) == (bool(time), bool(group))
