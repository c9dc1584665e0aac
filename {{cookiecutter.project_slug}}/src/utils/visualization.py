"""Pictures of how well a model predicts.

Every function returns a figure, without side effects: a notebook shows it, and the
report embeds it with :func:`to_svg`. The figures are transparent, so they stand on a
light page as well as on a dark one.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Corner = Literal["upper left", "lower left", "lower right"]

INK, FAINT, GRID = "#1f2329", "#6b7280", "#d9dde3"
ON_DARK = {INK: "#e6e9ee", FAINT: "#9aa3af", GRID: "#3a414b"}
MODEL, WARM = "#3b7ddd", "#e07b39"
PALETTE = (MODEL, WARM, "#2fa37c", "#b658c4", "#c9a227", "#d64f6b")
MAX_CURVES = len(PALETTE)
MAX_LABEL = 22

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.labelcolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # the reader's fonts know more scripts than ours
    "svg.hashsalt": "figure",  # the same figure gives the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a label may contain dollar signs
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


@mpl.rc_context(STYLE)
def confusion_matrix(counts: ArrayLike, labels: Sequence[str]) -> Figure:
    """Draw how often each actual class is predicted as each class.

    Args:
        counts: Rows of actual class i predicted as class j, shape (classes, classes).
        labels: The names of the classes.

    Returns:
        The figure: cells coloured by the share of their actual class, with the counts.
    """
    cells = np.asarray(counts, dtype=np.float64)
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1)
    names, few = [_short(label) for label in labels], len(labels) <= 8
    figure, axes = _canvas("Confusion matrix", "predicted", "actual", _side(len(names)))
    colours = np.array([*mpl.colors.to_rgb(MODEL), 1.0]) * np.ones((*cells.shape, 1))
    colours[..., 3] = 0.06 + 0.74 * shares  # pale enough for text
    axes.imshow(colours, aspect="auto", interpolation="nearest")
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=0 if few else 90)
    axes.set_yticks(ticks, names)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    if len(names) <= 15:
        for (i, j), share in np.ndenumerate(shares):
            text = f"{cells[i, j]:,.0f}" + (f"\n{share:.0%}" if few else "")
            axes.text(j, i, text, ha="center", va="center")
    return figure


@mpl.rc_context(STYLE)
def roc_curve(curves: Mapping[str, tuple[Floats, Floats, float]]) -> Figure:
    """Draw ROC curves.

    Args:
        curves: False positive rates, true positive rates and area, by class.

    Returns:
        The figure, with the diagonal that guessing reaches.
    """
    figure, axes = _canvas("ROC curve", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="chance")
    for (name, (x, y, area)), colour in zip(curves.items(), PALETTE, strict=False):
        label = f"{_short(name)}: area {area:.3f}"
        axes.plot(x, y, color=colour, linewidth=1.8, label=label)
    return _unit_square(figure, axes, "lower right")


@mpl.rc_context(STYLE)
def precision_recall_curve(
    curves: Mapping[str, tuple[Floats, Floats, float]], prevalence: float | None
) -> Figure:
    """Draw precision–recall curves.

    Args:
        curves: Recalls, precisions and average precision, by class.
        prevalence: The precision that guessing reaches; None for several curves.

    Returns:
        The figure.
    """
    figure, axes = _canvas("Precision–recall curve", "recall", "precision")
    if prevalence is not None:
        axes.axhline(
            prevalence, color=FAINT, linestyle="--", linewidth=1, label="chance"
        )
    for (name, (x, y, area)), colour in zip(curves.items(), PALETTE, strict=False):
        label = f"{_short(name)}: average {area:.3f}"
        axes.step(x, y, where="post", color=colour, linewidth=1.8, label=label)
    return _unit_square(figure, axes, "lower left")


@mpl.rc_context(STYLE)
def calibration_curve(
    predicted: Floats, observed: Floats, low: Floats, high: Floats, subject: str
) -> Figure:
    """Draw how often that happens which the model gives a probability for.

    Args:
        predicted: The mean probability of each bin of rows.
        observed: The share of those rows in which it happened.
        low: The lower end of the confidence interval of ``observed``.
        high: The upper end.
        subject: What the probability is of.

    Returns:
        The figure, with the diagonal of a perfectly calibrated model.
    """
    figure, axes = _canvas("Calibration", f"predicted {subject}", "observed share")
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="perfect")
    error = np.maximum([observed - low, high - observed], 0)
    axes.errorbar(
        predicted,
        observed,
        yerr=error,
        color=MODEL,
        marker="o",
        markersize=4.5,
        linewidth=1.6,
        elinewidth=1,
        label="model, bins of equal size",
    )
    return _unit_square(figure, axes, "upper left")


@mpl.rc_context(STYLE)
def predicted_against_actual(actual: Floats, predicted: Floats) -> Figure:
    """Draw the prediction of each row against its target, with the line of no error."""
    figure, axes = _canvas("Predicted and actual", "actual", "predicted")
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    _points(axes, actual, predicted)
    axes.plot(ends, ends, color=FAINT, linestyle="--", linewidth=1, label="no error")
    axes.legend(loc="upper left")
    return figure


@mpl.rc_context(STYLE)
def residuals_against_predicted(actual: Floats, predicted: Floats) -> Figure:
    """Draw the error of each row against its prediction: a pattern is a lead."""
    figure, axes = _canvas("Residuals", "predicted", "actual − predicted")
    _points(axes, predicted, actual - predicted)
    axes.axhline(0, color=FAINT, linestyle="--", linewidth=1)
    return figure


@mpl.rc_context(STYLE)
def residual_histogram(actual: Floats, predicted: Floats) -> Figure:
    """Draw how the errors are distributed."""
    figure, axes = _canvas("Distribution of residuals", "actual − predicted", "rows")
    axes.hist(actual - predicted, bins=40, color=MODEL, alpha=0.85)
    axes.axvline(0, color=FAINT, linestyle="--", linewidth=1)
    return figure


@mpl.rc_context(STYLE)
def interval_chart(
    rows: Sequence[tuple[str, float, float | None, float | None]],
    reference: float,
    title: str,
) -> Figure:
    """Draw a value with its confidence interval for each of some groups.

    Args:
        rows: Label, value and the ends of the interval (None without one), by group.
        reference: The value of all groups together.
        title: What the value is.

    Returns:
        The figure: one line per group, from top to bottom.
    """
    figure, axes = _canvas("", title, "", (7.6, 0.9 + 0.27 * len(rows)))
    axes.axvline(
        reference, color=FAINT, linestyle="--", linewidth=1, label="all test rows"
    )
    for place, (_, value, low, high) in enumerate(rows):
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=MODEL, alpha=0.45, linewidth=4)
        axes.plot(value, place, color=MODEL, marker="o", markersize=5)
    axes.set_yticks(range(len(rows)), [_short(row[0], 40) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0)
    return figure


@mpl.rc_context(STYLE)
def search_history(
    values: Sequence[float | None],
    states: Sequence[str],
    higher_is_better: bool,
    label: str,
) -> Figure:
    """Draw the trials of a search in their order, and the best so far.

    Args:
        values: What each trial reached; None for one that failed.
        states: ``complete``, ``pruned`` or ``fail``, trial by trial.
        higher_is_better: Which value is the best.
        label: What the value is.
    """
    figure, axes = _canvas("Search", "trial", label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    pad = 0.5 + len(values) / 50
    axes.set_xlim(-pad, len(values) - 1 + pad)
    reached = np.array([np.nan if v is None else v for v in values])
    trials, state = np.arange(len(reached)), np.array(states)
    for name, colour, fill in (("complete", MODEL, MODEL), ("pruned", FAINT, "none")):
        of = state == name
        if of.any():
            (points,) = axes.plot(trials[of], reached[of], "o", color=colour)
            points.set(label=name, markerfacecolor=fill, markersize=5)
    failed = trials[state == "fail"]
    if len(failed):  # without a value, they are shown along the lower edge
        edge = axes.get_xaxis_transform()
        low = np.full(len(failed), 0.03)
        axes.plot(failed, low, "x", color=FAINT, label="failed", transform=edge)
    best = np.where(state == "complete", reached, np.nan)
    so_far = (np.fmax if higher_is_better else np.fmin).accumulate(best)
    axes.step(trials, so_far, where="post", color=WARM, label="best so far")
    figure.legend(loc="outside lower center", ncols=len(axes.lines))
    return figure


@mpl.rc_context(STYLE)
def bar_chart(values: Mapping[str, float], title: str, label: str) -> Figure:
    """Draw a number for each of some names, from top to bottom as they come."""
    size = (4.8, max(1.6, 0.9 + 0.3 * len(values)))
    figure, axes = _canvas(title, label, "", size)
    axes.barh(range(len(values)), list(values.values()), color=MODEL, height=0.65)
    axes.set_yticks(range(len(values)), [_short(name, 30) for name in values])
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.grid(False, axis="y")
    return figure


@mpl.rc_context(STYLE)
def to_svg(figure: Figure) -> str:
    """Return ``figure`` as SVG; the same figure always gives the same text.

    Characters that matplotlib's own font lacks are drawn by the reader's fonts.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="none")
    return buffer.getvalue()


def on_paper(svg: str) -> str:
    """Return a figure of ``to_svg`` on white, for a page that may be light or dark."""
    return svg.replace("fill: none", "fill: #ffffff", 1)  # the first shape is the page


def for_dark_page(svg: str) -> str:
    """Return a figure of ``to_svg`` in colours that can be read on a dark page."""
    for light, dark in ON_DARK.items():
        svg = svg.replace(light, dark)
    return svg


def _canvas(
    title: str, x: str, y: str, size: tuple[float, float] = (4.8, 4.0)
) -> tuple[Figure, Axes]:
    """Return an empty figure of ``size`` inches and its axes."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _unit_square(figure: Figure, axes: Axes, legend: Corner) -> Figure:
    """Show both axes from 0 to 1, and a legend: in a corner, or below many curves."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if len(axes.lines) <= 2:
        axes.legend(loc=legend)
    else:  # no corner is free of curves
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _points(axes: Axes, x: Floats, y: Floats) -> None:
    """Draw many points as one bitmap, each the fainter the more there are."""
    alpha = float(np.clip(400 / max(len(x), 1), 0.15, 0.6))
    axes.plot(
        x,
        y,
        linestyle="none",
        marker="o",
        markersize=4,
        markeredgewidth=0,
        color=MODEL,
        alpha=alpha,
        rasterized=True,
    )


def _side(classes: int) -> tuple[float, float]:
    """Return the size of a confusion matrix in inches."""
    return (4.8, 4.0) if classes <= 8 else (7.6, 6.4)


def _short(label: str, length: int = MAX_LABEL) -> str:
    """Shorten a long label, which would leave no room for the picture."""
    return label if len(label) <= length else f"{label[: length - 1]}…"
