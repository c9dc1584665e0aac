"""Transformation: from features to the numbers that an estimator takes."""

from typing import Any

import numpy as np
from pandas import DataFrame
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from src.features.selection import FeatureSelector
from src.utils.config import FeatureSettings

MAX_COLUMNS = 30  # that a category becomes: they bound the memory that a row takes


def fitted_steps(
    settings: FeatureSettings, imputed: bool, scaled: bool, one_target: bool = False
) -> list[tuple[str, Any]]:
    """Return the steps that learn from the training rows: select, then transform. A
    category becomes a column for each value, and one for all values in fewer rows than
    ``min_category_rows``; a value never seen sets none of them. One of more than
    ``MAX_COLUMNS`` values becomes the mean target of each, if the target is a number or
    of two classes (``one_target``), else its rarest values share a column. Numbers get
    the median where they are missing, and mean 0 and deviation 1, if asked for."""
    steps = [SimpleImputer(strategy="median")] if imputed else []
    steps += [StandardScaler()] if scaled else []
    numbers = make_pipeline(*steps) if steps else "passthrough"
    limits = {
        "min_frequency": settings.min_category_rows,
        "max_categories": MAX_COLUMNS,
    }
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **limits)
    folds = KFold(5, shuffle=True, random_state=0)
    texts = make_column_selector(dtype_exclude=np.number)
    is_number = make_column_selector(dtype_include=np.number)
    parts = [(numbers, is_number), (categories, few_values if one_target else texts)]
    parts += [(TargetEncoder(cv=folds), many_values)] if one_target else []
    transformer = make_column_transformer(*parts)
    selector = FeatureSelector(**settings.model_dump())
    return [("selection", selector), ("transformation", transformer)]


def few_values(features: DataFrame) -> list[str]:
    """Return the categories that become a column for each value."""
    return [name for name in _texts(features) if name not in many_values(features)]


def many_values(features: DataFrame) -> list[str]:
    """Return the categories of too many values for that."""
    return [n for n in _texts(features) if features[n].nunique() > MAX_COLUMNS]


def _texts(features: DataFrame) -> list[str]:
    return list(map(str, features.select_dtypes(exclude="number")))
