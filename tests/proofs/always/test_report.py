"""Pictures and numbers of the report; the team's own tests have the rest."""

import numpy as np
import pytest

from src.evaluation.metrics import Predictions
from src.evaluation.report import format_number, model_pictures
from src.utils.visualization import bar_chart, to_svg


def test_the_pictures_are_those_that_the_predictions_allow() -> None:
    labels = np.array([f"class {i:02}" for i in range(25)] * 4, dtype=object)
    p = Predictions("classification", labels, labels[::-1], None, tuple(labels[:25]))
    assert model_pictures(p) == {}  # a matrix of so many classes shows nothing
    half, names = np.full((4, 2), 0.5), np.array(["a", "b", "a", "$b"], dtype=object)
    two = Predictions("classification", names, names, half, ("a", "b"))
    expected = [
        "confusion_matrix",
        "roc_curve",
        "precision_recall_curve",
        "calibration",
    ]
    assert list(model_pictures(two)) == expected
    one = two.take(names == "a")
    assert list(model_pictures(one)) == ["confusion_matrix", "calibration"]


def test_a_figure_is_drawn_alike_and_shows_any_label_as_it_is() -> None:
    drawn = [to_svg(bar_chart({"$x_1$ <b> 中": 1.0}, "t", "l")) for _ in range(2)]
    assert drawn[0] == drawn[1] and "$x_1$ &lt;b&gt; 中" in drawn[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (12345.6, "12,346"),
        (12.34, "12.3"),
        (0.1234, "0.123"),
        (1e-5, "1.0e-05"),
    ],
)
def test_numbers_are_as_precise_as_readers_need(value: float | None, text: str) -> None:
    assert format_number(value) == text
