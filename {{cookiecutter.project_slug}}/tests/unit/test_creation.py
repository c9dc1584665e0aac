"""Features that follow from a row alone."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from src.data.schema import DataSchema
from src.features.creation import FeatureCreator, create_features, feature_columns
from src.utils.errors import DataError

SCHEMA = DataSchema.model_validate(
    {
        "name": "visits",
        "columns": {
            "age (years)": {"type": "integer"},
            "plan": {"type": "category", "max_missing": 0.5},
            "member": {"type": "boolean"},
            "seen": {"type": "date", "max_missing": 0.5},
            "note": {"type": "category", "role": "ignored"},
            "paid": {"type": "category", "role": "target"},
        },
    }
)


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "paid": ["yes", "no"],
            "seen": ["2024-02-29T13:45", None],
            "member": ["true", "no"],
            "plan": ["007", None],
            "age (years)": ["41", "x"],
            "note": ["a", "b"],
        }
    )


def test_features_have_the_order_of_the_schema_whatever_that_of_the_rows() -> None:
    features = create_features(rows(), SCHEMA)

    assert list(features) == [
        "age (years)",
        "plan",
        "member",
        "seen: year",
        "seen: month",
        "seen: day",
        "seen: weekday",
        "seen: day of year",
        "seen: hour",
    ]


def test_features_are_numbers_except_for_categories() -> None:
    features = create_features(rows(), SCHEMA)

    assert features["plan"].dtype == "str"
    assert set(features.drop(columns="plan").dtypes) == {np.dtype("float64")}
    assert features["plan"].tolist()[0] == "007"
    assert features["member"].tolist() == [1.0, 0.0]
    assert features["age (years)"].isna().tolist() == [False, True]


def test_a_date_becomes_its_parts_and_a_missing_one_stays_missing() -> None:
    parts = create_features(rows(), SCHEMA).filter(like="seen: ")

    assert parts.iloc[0].tolist() == [2024, 2, 29, 3, 60, 13]
    assert parts.iloc[1].isna().all()


def test_neither_target_nor_ignored_columns_are_needed() -> None:
    features = create_features(rows().drop(columns=["paid", "note"]), SCHEMA)

    pd.testing.assert_frame_equal(features, create_features(rows(), SCHEMA))


def test_a_column_that_may_have_gaps_may_be_absent() -> None:
    features = create_features(rows().drop(columns=["plan", "seen"]), SCHEMA)

    assert features["plan"].isna().all()
    assert features["plan"].dtype == "str"
    assert features["seen: year"].isna().all()


def test_an_absent_column_without_gaps_is_named() -> None:
    with pytest.raises(DataError, match=r"column 'age \(years\)' not found"):
        create_features(rows().drop(columns="age (years)"), SCHEMA)


def test_a_row_has_the_same_features_alone_as_among_others() -> None:
    together = create_features(rows(), SCHEMA)

    for k in range(len(together)):
        alone = create_features(rows().iloc[[k]], SCHEMA)
        pd.testing.assert_frame_equal(alone, together.iloc[[k]])


def test_the_rows_given_stay_as_they_are() -> None:
    given = rows()

    create_features(given, SCHEMA)

    pd.testing.assert_frame_equal(given, rows())


def test_the_step_of_the_pipeline_does_the_same() -> None:
    step = clone(FeatureCreator(feature_columns(SCHEMA)))

    features = step.fit(rows()).transform(rows())

    pd.testing.assert_frame_equal(features, create_features(rows(), SCHEMA))
    assert step.get_feature_names_out().tolist() == list(features)
