"""Transformation: from features to the numbers that an estimator takes."""

from typing import Any

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from src.features.selection import FeatureSelector
from src.utils.config import FeatureSettings


def fitted_steps(
    settings: FeatureSettings, imputed: bool, scaled: bool
) -> list[tuple[str, Any]]:
    """Return the steps that learn from the training rows: select, then transform. A
    category becomes a column for each value, and one for all values in fewer rows than
    ``min_category_rows``; a value never seen sets none of them. Numbers get the median
    where they are missing, and mean 0 and deviation 1, if that is asked for."""
    steps = [SimpleImputer(strategy="median")] if imputed else []
    steps += [StandardScaler()] if scaled else []
    numbers = make_pipeline(*steps) if steps else "passthrough"
    # The most categories bound the memory that a column can take.
    limits = {"min_frequency": settings.min_category_rows, "max_categories": 100}
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **limits)
    transformer = make_column_transformer(
        (numbers, make_column_selector(dtype_include=np.number)),
        (categories, make_column_selector(dtype_exclude=np.number)),
    )
    selector = FeatureSelector(**settings.model_dump())
    return [("selection", selector), ("transformation", transformer)]
