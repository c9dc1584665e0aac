"""The pictures show what they are given, in text that a browser can read."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from matplotlib.figure import Figure

from src.utils import visualization as draw

RATES = np.linspace(0, 1, 5)


# One figure of each kind.
ACTUAL = np.arange(20.0)
CURVES = {"yes": (RATES, RATES**0.5, 0.75)}
FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: draw.confusion_matrix([[5, 1], [2, 9]], ["no", "yes"]),
    "roc": lambda: draw.roc_curve(CURVES),
    "recall": lambda: draw.precision_recall_curve(CURVES, 0.3),
    "calibration": lambda: draw.calibration_curve(
        RATES, RATES, RATES - 0.1, RATES + 0.1, "probability of yes"
    ),
    "predicted": lambda: draw.predicted_against_actual(ACTUAL, ACTUAL + 1),
    "residuals": lambda: draw.residuals_against_predicted(ACTUAL, ACTUAL + 1),
    "histogram": lambda: draw.residual_histogram(ACTUAL, ACTUAL + 1),
    "intervals": lambda: draw.interval_chart(
        [("Oslo", 0.5, 0.4, 0.6), ("Lima", 0.7, None, None)], 0.6, "ROC AUC"
    ),
}


@cache
def svg_of(name: str) -> str:
    """Return the figure as text; drawn once for all tests."""
    return draw.to_svg(FIGURES[name]())


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_becomes_an_svg_document(name: str) -> None:
    assert ET.fromstring(svg_of(name)).tag == "{http://www.w3.org/2000/svg}svg"


# Between them they have all that is drawn: lines, bitmaps, clipped parts, a legend.
@pytest.mark.parametrize("name", ["roc", "predicted"])
def test_the_same_figure_gives_the_same_bytes(name: str) -> None:
    assert draw.to_svg(FIGURES[name]()) == svg_of(name)


def test_the_colours_of_a_dark_page_replace_those_of_a_light_one() -> None:
    svg = svg_of("roc")
    dark = draw.for_dark_page(svg)
    assert draw.INK in svg
    for light, other in draw.ON_DARK.items():
        assert light not in dark
        assert other in dark


def test_the_confusion_matrix_shows_counts_and_shares() -> None:
    svg = svg_of("confusion")
    for text in ("no", "yes", "5", "83%", "9", "82%"):
        assert f">{text}<" in svg


def test_a_matrix_of_many_classes_shows_colours_only() -> None:
    svg = draw.to_svg(
        draw.confusion_matrix(np.eye(20) * 77, [f"c{i}" for i in range(20)])
    )
    assert ">c19<" in svg
    assert ">77<" not in svg


def test_curves_beyond_the_colours_are_not_drawn() -> None:
    curves = {f"class {i}": (RATES, RATES, 0.5) for i in range(draw.MAX_CURVES + 1)}
    svg = draw.to_svg(draw.roc_curve(curves))
    assert f"class {draw.MAX_CURVES - 1}: area" in svg
    assert f"class {draw.MAX_CURVES}: area" not in svg


def test_labels_are_shown_as_they_are_whatever_they_hold() -> None:
    labels = ["<$1 & $2>", "日本", "x" * 50]
    svg = draw.to_svg(draw.confusion_matrix(np.eye(3), labels))
    assert "&lt;$1 &amp; $2&gt;" in svg
    assert "日本" in svg
    assert "x" * 50 not in svg and "…" in svg
