"""Features that are of use are kept."""

import numpy as np
import pandas as pd

from src.features.selection import FeatureSelector

ROWS = 100
RANDOM = np.random.default_rng(3)
NUMBER = RANDOM.normal(size=ROWS)


def test_useful_features_are_kept_within_the_limits_given() -> None:
    gappy = NUMBER.copy()
    gappy[::4] = np.nan
    noisy = NUMBER + 0.2 * RANDOM.normal(size=ROWS)
    frame = pd.DataFrame({"n": NUMBER, "gappy": gappy, "noisy": noisy})

    assert FeatureSelector(0.95, 0.999, 10).fit(frame).features_ == [
        "n",
        "gappy",
        "noisy",
    ]
    limited = FeatureSelector(0.95, 0.8, 10).fit(frame)
    assert list(limited.transform(frame)) == ["n"]
