"""Transformation: from features to the numbers that an estimator takes."""

from functools import partial
from typing import Any

import numpy as np
from pandas import DataFrame
from sklearn.base import clone
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
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False, **limits)
    means = TargetEncoder(cv=KFold(5, shuffle=True, random_state=0))
    transformer = make_column_transformer(
        (numbers, make_column_selector(dtype_include=np.number)),
        (one_hot, partial(categories, many=False)),
        (means if one_target else clone(one_hot), partial(categories, many=True)),
    )
    selector = FeatureSelector(**settings.model_dump())
    return [("selection", selector), ("transformation", transformer)]


def categories(features: DataFrame, many: bool) -> list[str]:
    """Return the categories of more than ``MAX_COLUMNS`` values, or those of fewer."""
    texts = features.select_dtypes(exclude="number")
    return [str(n) for n in texts if (texts[n].nunique() > MAX_COLUMNS) == many]
