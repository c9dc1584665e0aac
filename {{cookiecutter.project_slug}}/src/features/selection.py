"""Selection by the training rows alone: without what a model cannot learn from."""

from typing import Any, Self

import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin

from src.utils.errors import DataError


class FeatureSelector(TransformerMixin, BaseEstimator):
    """Keeps the features that are filled, vary, and do not repeat another one. Left out
    are a number whose Pearson correlation with an earlier one is ``max_correlation`` or
    more, of either sign, and a category none of whose values occurs
    ``min_category_rows`` times. ``features_`` names those that are kept, in order;
    ``dropped_`` says of each of the others why it is not."""

    def __init__(
        self, max_missing_share: float, max_correlation: float, min_category_rows: int
    ) -> None:
        self.max_missing_share = max_missing_share
        self.max_correlation = max_correlation
        self.min_category_rows = min_category_rows

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:
        """Decide which features are kept; raise DataError if none is left."""
        reasons = {name: self._unusable(X[name]) for name in X}
        self.dropped_ = {name: why for name, why in reasons.items() if why}
        numbers = X.drop(columns=list(self.dropped_)).select_dtypes("number")
        # A missing value counts as the mean, so that columns with other gaps are kept.
        correlation = numbers.fillna(numbers.mean()).corr().abs()
        alike = correlation >= self.max_correlation - 1e-9  # for errors of rounding
        limit = f"correlation {self.max_correlation} or more"
        for k, name in enumerate(numbers):
            for twin in numbers.columns[:k][alike[name].iloc[:k]]:
                if twin not in self.dropped_:
                    self.dropped_.setdefault(name, f"it repeats {twin!r} ({limit})")
        self.features_ = [name for name in X if name not in self.dropped_]
        if not self.features_:
            said = "; ".join(f"{name!r}: {why}" for name, why in self.dropped_.items())
            advice = "see the roles in config/data_schema.yaml, and `features`"
            raise DataError(f"no usable feature is left ({said}); {advice}")
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the kept features of the rows ``X``."""
        return X[self.features_]

    def _unusable(self, feature: "pd.Series[Any]") -> str | None:
        """Say what makes a feature useless by itself, None if nothing does."""
        missing = float((feature.isna() | (feature == "")).mean())
        if missing > self.max_missing_share:
            return f"{missing:.0%} of its values are missing"
        counts = feature.value_counts(dropna=False)
        if len(counts) < 2:
            return "it is constant"
        if not is_numeric_dtype(feature) and counts.iloc[0] < self.min_category_rows:
            return f"no value occurs in {self.min_category_rows} rows"
        return None
