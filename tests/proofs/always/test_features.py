"""Features: which are kept, and what becomes of odd ones."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.features.creation import create_features, feature_columns
from src.features.selection import FeatureSelector
from src.features.transformation import fitted_steps
from src.utils.config import FeatureSettings
from tests.fixtures.synthetic import make_frame, make_schema

ROWS = 120
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(ROWS, 3)), columns=list("abc"))


def transformer_of(
    min_category_rows: int, imputed: bool, target: str | None = None
) -> Any:
    """Return the second of the steps, unfitted."""
    chosen = FeatureSettings(min_category_rows=min_category_rows)
    return dict(fitted_steps(chosen, imputed, False, target))["transformation"]


def test_the_rows_given_to_the_creation_stay_as_they_are() -> None:
    given = make_frame("classification")

    create_features(given, feature_columns(make_schema("classification")))

    pd.testing.assert_frame_equal(given, make_frame("classification"))


def test_an_entirely_missing_feature_is_left_out_even_if_gaps_are_allowed() -> None:
    frame = pd.DataFrame({"kept": X["a"], "empty": [np.nan] * ROWS})

    assert FeatureSelector(1, 0.999, 10).fit(frame).features_ == ["kept"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ([7.0] * ROWS, "it is constant"),
        ([""] * (ROWS - 3) + ["a"] * 3, "98% .* missing"),
        (X["a"], "repeats 'kept'"),
    ],
)
def test_a_useless_feature_is_left_out_and_the_reason_said(
    column: object, reason: str
) -> None:
    given = {"kept": X["a"], "other": pd.Series(column)}
    selector = FeatureSelector(0.95, 0.999, 10).fit(pd.DataFrame(given))

    assert selector.features_ == ["kept"]
    assert pd.Series(selector.dropped_)[["other"]].str.contains(reason).all()


@pytest.mark.parametrize("limit", [1, 0.999])
def test_a_repeat_of_a_repeat_names_the_feature_that_is_kept(limit: float) -> None:
    frame = pd.DataFrame({"z": X["a"], "y": 2 * X["a"], "x": -X["a"], "b": X["b"]})

    selector = FeatureSelector(0.95, limit, 10).fit(frame)

    assert selector.features_ == ["z", "b"]
    assert all("it repeats 'z'" in why for why in selector.dropped_.values())


def test_a_category_of_many_values_does_not_make_as_many_columns() -> None:
    values = [f"w{k}" for k in range(300)] * 20
    transformer = transformer_of(10, True).fit(pd.DataFrame({"c": values}))

    assert transformer.transform(pd.DataFrame({"c": values})).shape[1] == 30
    # Of a number, too, that is whole in all rows.
    for kind, y in (("binary", [0.0, 1.0]), ("continuous", [1.0, 2.0, 30.0])):
        means, target = transformer_of(10, True, kind), np.resize(y, len(values))
        found = means.fit_transform(pd.DataFrame({"c": values}), target)
        assert found.shape[1] == 1


@pytest.mark.parametrize("columns", [["n", "m"], ["c"]])
@pytest.mark.parametrize("imputed", [True, False])
def test_features_of_one_kind_only_are_fine(columns: list[str], imputed: bool) -> None:
    frame = pd.DataFrame({"n": [1.0, 2] * 9, "m": [3.0] * 18, "c": ["a", ""] * 9})

    numbers = transformer_of(5, imputed).fit_transform(frame[columns])

    assert numbers.shape == (18, 2) and numbers.dtype == np.float64


def test_useful_features_are_kept_within_the_limits_given() -> None:
    number = X["a"]
    gappy, noisy = number.copy(), number + 0.2 * X["b"]
    gappy[::4] = np.nan
    frame = pd.DataFrame({"n": number, "gappy": gappy, "noisy": noisy})

    assert FeatureSelector(0.95, 0.999, 10).fit(frame).features_ == [
        "n",
        "gappy",
        "noisy",
    ]
    limited = FeatureSelector(0.95, 0.8, 10).fit(frame)
    assert list(limited.transform(frame)) == ["n"]


def test_a_row_has_the_same_features_alone_as_among_others() -> None:
    columns = feature_columns(make_schema("classification"))
    rows = make_frame("classification", 60)
    together = create_features(rows, columns)

    for k in range(len(rows)):
        alone = create_features(rows.iloc[[k]], columns)
        pd.testing.assert_frame_equal(alone, together.iloc[[k]])
