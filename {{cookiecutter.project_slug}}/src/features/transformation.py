"""Transformation: from features to the numbers that an estimator takes."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from src.features.selection import FeatureSelector
from src.utils.config import FeatureSettings

# Bounds the memory that a column with a great many values can take.
MAX_CATEGORIES = 100


def build_transformer(min_category_rows: int, scaled: bool) -> ColumnTransformer:
    """Return an unfitted transformer from features to a dense array of float64.

    Numbers: missing values become the median, and a column says where they were.
    Categories: one column for each value, for missing, and for all that are rare or
    were never seen in training.

    Args:
        min_category_rows: Values in fewer rows are rare.
        scaled: Whether numbers are brought to mean 0 and deviation 1. Trees gain
            nothing by it.
    """
    numbers = SimpleImputer(strategy="median", add_indicator=True)
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=min_category_rows,
        max_categories=MAX_CATEGORIES,
        sparse_output=False,
    )
    return ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(numbers, StandardScaler()) if scaled else numbers,
                make_column_selector(dtype_include=np.number),
            ),
            ("categories", categories, make_column_selector(dtype_exclude=np.number)),
        ]
    )


def fitted_steps(settings: FeatureSettings, scaled: bool) -> list[tuple[str, Any]]:
    """Return the steps that learn from the training rows: select, then transform.

    Args:
        settings: The limits of the selection, and of what is a rare category.
        scaled: Whether the model wants numbers of similar size.
    """
    selector = FeatureSelector(
        settings.max_missing_share,
        settings.max_correlation,
        settings.min_category_rows,
    )
    return [
        ("selection", selector),
        ("transformation", build_transformer(settings.min_category_rows, scaled)),
    ]
