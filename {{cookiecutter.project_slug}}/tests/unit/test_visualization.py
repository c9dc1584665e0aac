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
# A search whose second and last trials failed, and whose best value was pruned.
VALUES = [0.6, None, 0.5, 0.9, 0.8, None]
STATES = ["complete", "fail", "complete", "pruned", "complete", "fail"]
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
    "search": lambda: draw.search_history(VALUES, STATES, True, "ROC AUC"),
    "bars": lambda: draw.bar_chart({"alpha": 0.7, "beta": 0.3}, "Importance", "share"),
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


def test_a_figure_on_paper_is_white_behind_and_the_same_else() -> None:
    svg = svg_of("roc")
    before, name, after = draw.on_paper(svg).partition('<g id="patch_1">')
    page, end, rest = after.partition("</g>")
    assert "fill: #ffffff" in page
    assert before + name + page.replace("#ffffff", "none") + end + rest == svg


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


def lines_of(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each line of a figure, by what the legend calls it."""
    return {
        str(line.get_label()): list(map(tuple, line.get_xydata()))
        for line in figure.axes[0].lines
    }


def test_the_history_of_a_search_shows_each_trial_once_as_it_ended() -> None:
    lines = lines_of(FIGURES["search"]())

    assert lines["complete"] == [(0, 0.6), (2, 0.5), (4, 0.8)]
    assert lines["pruned"] == [(3, 0.9)]
    assert [trial for trial, _ in lines["failed"]] == [1, 5]
    for name in lines:
        assert f">{name}<" in svg_of("search")


@pytest.mark.parametrize(
    ("higher_is_better", "best"),
    [(True, [0.6, 0.6, 0.6, 0.6, 0.8, 0.8]), (False, [0.6, 0.6, 0.5, 0.5, 0.5, 0.5])],
)
def test_the_best_so_far_is_of_complete_trials_and_never_gets_worse(
    higher_is_better: bool, best: list[float]
) -> None:
    figure = draw.search_history(VALUES, STATES, higher_is_better, "score")

    assert lines_of(figure)["best so far"] == list(enumerate(best))


def test_no_best_is_shown_before_a_trial_is_complete() -> None:
    figure = draw.search_history([None, 0.7], ["fail", "complete"], True, "score")

    (_, before), (_, after) = lines_of(figure)["best so far"]
    assert np.isnan(before) and after == 0.7
    assert ET.fromstring(draw.to_svg(figure)) is not None


@pytest.mark.parametrize("trials", [1, 2, 250])
def test_trials_are_counted_in_whole_numbers_and_none_is_cut_off(trials: int) -> None:
    figure = draw.search_history([0.5] * trials, ["complete"] * trials, True, "score")

    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert left <= -0.5 and right >= trials - 0.5
    assert all(float(tick).is_integer() for tick in axes.get_xticks())
    assert "pruned" not in lines_of(figure) and "failed" not in lines_of(figure)


@pytest.mark.parametrize(
    "values", [{"alpha": 1.0}, {"a": 0.0, "b": 0.0}, {"x" * 40: 0.6, "y": 0.4}]
)
def test_bars_are_as_long_as_their_values_from_top_to_bottom(
    values: dict[str, float],
) -> None:
    figure = draw.bar_chart(values, "Importance", "share")

    (axes,) = figure.axes
    bars = [patch.get_bbox() for patch in axes.patches]
    assert [bar.width for bar in bars] == list(values.values())
    bottom, top = axes.get_ylim()
    assert bottom > top, "the first bar is the uppermost"
    assert [round((bar.y0 + bar.y1) / 2) for bar in bars] == list(range(len(values)))
    assert ET.fromstring(draw.to_svg(figure)) is not None
