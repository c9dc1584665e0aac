"""From the columns of rows to the numbers that a model takes."""

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.schema import DataSchema
from src.features.creation import create_features, date_parts, feature_columns
from src.features.selection import FeatureSelector
from src.features.transformation import fitted_steps
from src.utils.config import FeatureSettings
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
COLUMNS = feature_columns(SCHEMA)
VISITS = pd.DataFrame(
    {
        "seen": ["2024-02-29T13:45", None, "2024-02-29T13:45"],
        "member": ["true", "no", None],
        "plan": ["007", None, "a"],
        "age (years)": ["41", "x", "3.0"],
    }
)
PARTS = ("year", "month", "day", "weekday", "day of year", "hour")

ROWS = 100
RANDOM = np.random.default_rng(3)
NUMBER = RANDOM.normal(size=ROWS)
CATEGORY = np.where(RANDOM.random(ROWS) < 0.5, "a", "b")


def test_features_follow_the_schema_and_are_numbers_or_text() -> None:
    features = create_features(VISITS, COLUMNS)

    names = ["age (years)", "plan", "member", *(f"seen: {part}" for part in PARTS)]
    assert list(features) == names
    assert features["plan"].tolist() == ["007", "", "a"]
    assert features["plan"].dtype == "str"
    assert set(features.drop(columns="plan").dtypes) == {np.dtype("float64")}
    np.testing.assert_equal(features["age (years)"].tolist(), [41, np.nan, 3])
    np.testing.assert_equal(features["member"].tolist(), [1, 0, np.nan])
    parts = features.filter(like="seen: ")
    assert parts.iloc[0].tolist() == parts.iloc[2].tolist() == [2024, 2, 29, 3, 60, 13]
    assert parts.iloc[1].isna().all()
    assert date_parts(datetime(2024, 2, 29, 13, 45)) == tuple(parts.iloc[0])


def test_a_column_may_be_absent_only_if_it_may_have_gaps() -> None:
    features = create_features(VISITS.drop(columns=["plan", "seen"]), COLUMNS)

    assert (features["plan"] == "").all()
    assert features["seen: year"].isna().all()
    with pytest.raises(DataError, match=r"columns \['age \(years\)'\] not found"):
        create_features(VISITS.drop(columns="age (years)"), COLUMNS)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["a"] * ROWS, "it is constant"),
        ([np.nan] * 97 + [1.0, 2, 3], "97% .* missing"),
        ([f"id{k}" for k in range(ROWS)], "no value"),
        (3 - 2 * NUMBER, "repeats 'kept'"),
    ],
)
def test_a_useless_feature_is_left_out_and_the_reason_said(
    column: object, reason: str
) -> None:
    given = {"kept": NUMBER, "words": CATEGORY, "other": pd.Series(column)}
    selector = FeatureSelector(0.95, 0.999, 10).fit(pd.DataFrame(given))

    assert selector.features_ == ["kept", "words"]
    assert pd.Series(selector.dropped_)[["other"]].str.contains(reason).all()


TRAINING = pd.DataFrame(
    {"n": [1.0, 2.0, 6.0, np.nan] * 5, "c": ["a"] * 8 + ["b"] * 8 + ["", "x", "y", "z"]}
)
NEW = pd.DataFrame({"n": [np.nan, 4.0], "c": ["never seen", "b"]})


def transformer_of(imputed: bool, scaled: bool) -> Any:
    """Return the second of the steps, fitted to ``TRAINING``."""
    steps = fitted_steps(FeatureSettings(min_category_rows=5), imputed, scaled)
    return dict(steps)["transformation"].fit(TRAINING)


def test_numbers_are_imputed_and_scaled_where_the_model_wants_it() -> None:
    for imputed, scaled, expected in (
        (True, False, [2, 4]),
        (False, False, [np.nan, 4]),
        (True, True, [(2 - 2.75) / 1.9203, (4 - 2.75) / 1.9203]),
    ):
        found = transformer_of(imputed, scaled).transform(NEW)
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-3)


def test_categories_have_a_column_each_rare_ones_share_one_unknown_ones_none() -> None:
    transformer = transformer_of(imputed=True, scaled=False)

    assert transformer.transform(NEW)[:, 1:].tolist() == [[0, 0, 0], [0, 1, 0]]
    rare = TRAINING.iloc[[-4, -1]]
    assert transformer.transform(rare)[:, 1:].tolist() == [[0, 0, 1], [0, 0, 1]]
    assert transformer.transform(NEW).dtype == np.float64
