"""Which features are kept."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from src.features.selection import FeatureSelector
from src.utils.errors import DataError

ROWS = 100
RNG = np.random.default_rng(3)
NUMBER = RNG.normal(size=ROWS)
CATEGORY = np.where(RNG.random(ROWS) < 0.5, "a", "b")


def select(**columns: object) -> FeatureSelector:
    """Fit a selector to the columns and one that is always kept."""
    return FeatureSelector().fit(pd.DataFrame({"kept": NUMBER, **columns}))


def test_useful_features_are_kept_in_order() -> None:
    frame = pd.DataFrame({"c": CATEGORY, "n": NUMBER, "m": RNG.normal(size=ROWS)})

    selector = FeatureSelector().fit(frame)

    assert selector.features_ == ["c", "n", "m"]
    assert selector.dropped_ == {}
    pd.testing.assert_frame_equal(selector.transform(frame), frame)
    assert selector.get_feature_names_out().tolist() == ["c", "n", "m"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        pytest.param([7.0] * ROWS, "constant", id="constant number"),
        pytest.param(["a"] * ROWS, "constant", id="constant category"),
        pytest.param([np.nan] * 97 + [1.0, 2, 3], "97% .* missing", id="too empty"),
        pytest.param([None] * 97 + ["a"] * 3, "97% .* missing", id="too empty text"),
        pytest.param([f"id{k}" for k in range(ROWS)], "no value", id="identifier"),
        pytest.param(NUMBER, "repeats 'kept'", id="same number"),
        pytest.param(3 - 2 * NUMBER, "repeats 'kept'", id="linear in another"),
    ],
)
def test_a_useless_feature_is_left_out_and_the_reason_said(
    column: object, reason: str
) -> None:
    selector = select(other=pd.Series(column))

    assert selector.features_ == ["kept"]
    assert list(selector.dropped_) == ["other"]
    assert pd.Series(selector.dropped_).str.contains(reason).all()


def test_an_entirely_missing_feature_is_left_out_even_if_gaps_are_allowed() -> None:
    frame = pd.DataFrame({"kept": NUMBER, "empty": [np.nan] * ROWS})

    assert FeatureSelector(max_missing_share=1).fit(frame).features_ == ["kept"]


def test_categories_that_only_differ_in_their_words_are_repeats() -> None:
    selector = select(x=CATEGORY, y=np.where(CATEGORY == "a", "eins", "zwei"))

    assert selector.features_ == ["kept", "x"]
    assert selector.dropped_ == {"y": "it repeats 'x'"}


def test_gaps_in_different_rows_are_no_repeat() -> None:
    gappy = NUMBER.copy()
    gappy[::4] = np.nan

    assert select(gappy=gappy).features_ == ["kept", "gappy"]


def test_the_limits_are_those_given() -> None:
    noisy = NUMBER + 0.2 * RNG.normal(size=ROWS)
    frame = pd.DataFrame({"n": NUMBER, "noisy": noisy})

    assert FeatureSelector(max_correlation=0.9).fit(frame).features_ == ["n"]
    assert FeatureSelector(max_correlation=1).fit(frame).features_ == ["n", "noisy"]


def test_new_rows_get_the_features_chosen_in_training() -> None:
    selector = select(constant=[1.0] * ROWS)
    new = pd.DataFrame({"kept": [1.0, 1.0], "constant": [3.0, 4.0]})

    assert list(selector.transform(new)) == ["kept"]


def test_no_feature_left_is_an_error_that_says_why_for_each() -> None:
    frame = pd.DataFrame({"a": [1.0] * ROWS, "b": [None] * ROWS})

    with pytest.raises(DataError, match="'a': it is constant; 'b': 100% .* missing"):
        FeatureSelector().fit(frame)


def test_an_unfitted_selector_refuses_to_select() -> None:
    with pytest.raises(NotFittedError):
        FeatureSelector().transform(pd.DataFrame({"a": [1.0]}))
