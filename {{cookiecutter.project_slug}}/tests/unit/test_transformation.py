"""From features to numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from src.features.transformation import (
    MAX_CATEGORIES,
    build_transformer,
    fitted_steps,
)
from src.utils.config import FeatureSettings

ROWS = 60


def training_rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": [1.0, 3.0, np.nan] * 20,
            "m": np.arange(ROWS, dtype=float),
            "c": ["a"] * 30 + ["b"] * 26 + ["rare"] * 2 + ["odd"] * 2,
        }
    )


def test_a_missing_number_becomes_the_median_and_is_marked() -> None:
    numbers = build_transformer(10, scaled=False).fit(training_rows())

    n, m, was_missing = numbers.transform(training_rows())[2, :3]

    assert (n, m, was_missing) == (2.0, 2.0, 1.0)


def test_categories_have_a_column_each_and_rare_ones_share_one() -> None:
    transformer = build_transformer(10, scaled=False).fit(training_rows())

    names = transformer.get_feature_names_out().tolist()

    assert names[3:] == [
        "categories__c_a",
        "categories__c_b",
        "categories__c_infrequent_sklearn",
    ]


@pytest.mark.parametrize("value", ["never seen", None, "rare"])
def test_unseen_and_missing_categories_count_as_rare(value: str | None) -> None:
    transformer = build_transformer(10, scaled=False).fit(training_rows())
    new = pd.DataFrame({"n": [1.0], "m": [1.0], "c": pd.Series([value], dtype="str")})

    assert transformer.transform(new)[0, 3:].tolist() == [0, 0, 1]


def test_an_unseen_category_is_no_known_one_where_none_is_rare() -> None:
    frame = pd.DataFrame({"c": ["a", "b"] * 30})
    transformer = build_transformer(10, scaled=False).fit(frame)

    assert transformer.transform(pd.DataFrame({"c": ["new"]})).tolist() == [[0, 0]]


def test_a_category_that_is_missing_in_training_is_a_value_of_its_own() -> None:
    frame = pd.DataFrame({"c": pd.Series(["a", None] * 30, dtype="str")})
    transformer = build_transformer(10, scaled=False).fit(frame)

    assert transformer.transform(frame)[:2].tolist() == [[1, 0], [0, 1]]


def test_a_number_that_was_never_missing_in_training_may_be_later() -> None:
    transformer = build_transformer(10, scaled=False).fit(training_rows())
    new = training_rows().head(1).assign(m=np.nan)

    assert transformer.transform(new)[0, 1] == np.median(np.arange(ROWS))


def test_scaled_numbers_have_mean_0_and_deviation_1() -> None:
    values = build_transformer(10, scaled=True).fit_transform(training_rows())

    assert values[:, :3].mean(axis=0) == pytest.approx([0, 0, 0])
    assert values[:, :3].std(axis=0) == pytest.approx([1, 1, 1])


def test_many_categories_do_not_make_as_many_columns() -> None:
    words = [f"w{k}" for k in range(300)]
    frame = pd.DataFrame({"c": words * 2})

    values = build_transformer(2, scaled=False).fit_transform(frame)

    assert values.shape[1] == MAX_CATEGORIES


@pytest.mark.parametrize("columns", [["n", "m"], ["c"]])
def test_features_of_one_kind_only_are_fine(columns: list[str]) -> None:
    values = build_transformer(10, scaled=True).fit_transform(training_rows()[columns])

    assert len(values) == ROWS
    assert np.isfinite(values).all()


def test_the_steps_take_their_limits_from_the_settings() -> None:
    settings = FeatureSettings(
        max_missing_share=0.3, max_correlation=0.9, min_category_rows=2
    )

    pipeline = Pipeline(fitted_steps(settings, scaled=False)).fit(training_rows())

    assert pipeline["selection"].features_ == ["m", "c"]
    assert "categories__c_rare" in pipeline["transformation"].get_feature_names_out()
