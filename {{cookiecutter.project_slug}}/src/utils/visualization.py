"""Pictures of how well a model predicts, on white: they can be read on any page."""

import io
import warnings
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn import metrics
from sklearn.calibration import CalibrationDisplay

MAX_LABEL = 30
mpl.rc("axes", axisbelow=True, grid=True, titlelocation="left")
mpl.rc("font", size=9.5)
mpl.rc("grid", color="#d9dde3")
# The reader's fonts know more scripts than ours; the salt gives a figure that is drawn
# again the same bytes.
mpl.rc("svg", fonttype="none", hashsalt="figure")
mpl.rc("text", parse_math=False)  # a label may contain dollar signs


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, labels: list[str]) -> Figure:
    """Draw how often each actual class is predicted as each class."""
    size = (4.8, 4.0) if len(labels) <= 10 else (7.6, 6.4)
    figure, axes = _canvas("Confusion matrix", size)
    names = [_short(label) for label in labels]
    turned = "vertical" if sum(map(len, names)) > MAX_LABEL else "horizontal"
    look: Any = {"cmap": "Blues", "colorbar": False, "values_format": ",d"}
    look |= {"labels": labels, "display_labels": names, "xticks_rotation": turned}
    metrics.ConfusionMatrixDisplay.from_predictions(y_true, y_pred, ax=axes, **look)
    axes.grid(False)
    return figure


def curves(sides: Mapping[str, tuple[ArrayLike, ArrayLike]], kind: str) -> Figure:
    """Draw a curve of this kind for each class: which rows are of it, how probable."""
    is_roc = kind == "roc_curve"
    figure, axes = _canvas("ROC curve" if is_roc else "Precision and recall")
    display: Any = metrics.RocCurveDisplay if is_roc else metrics.PrecisionRecallDisplay
    for name, (of_class, score) in sides.items():
        options = {"name": _short(name), "drop_intermediate": True, "ax": axes}
        display.from_predictions(of_class, score, **options)
    if is_roc:
        axes.plot([0, 1], [0, 1], color="gray", linestyle="--")
        axes.set(xlabel="False positive rate", ylabel="True positive rate")
    else:
        axes.set(xlabel="Recall", ylabel="Precision")
    return figure


def calibration_curve(outcome: ArrayLike, probability: ArrayLike, of: str) -> Figure:
    """Draw how often that happens which the model gives a probability of."""
    figure, axes = _canvas("Calibration")
    CalibrationDisplay.from_predictions(
        outcome, probability, n_bins=10, strategy="quantile", name="model", ax=axes
    )
    axes.set(xlabel=f"Probability of {_short(of)}", ylabel="Observed share")
    return figure


def prediction_error(actual: ArrayLike, predicted: ArrayLike, kind: str) -> Figure:
    """Draw a thousand rows: ``actual_vs_predicted`` or ``residual_vs_predicted``."""
    figure, axes = _canvas(kind.replace("_", " ").capitalize())
    points = {"alpha": 0.4, "s": 12, "rasterized": True}
    look: Any = {"kind": kind, "random_state": 0, "scatter_kwargs": points, "ax": axes}
    metrics.PredictionErrorDisplay.from_predictions(actual, predicted, **look)
    return figure


def bar_chart(values: Mapping[str, float], title: str, label: str) -> Figure:
    """Draw a number for each of some names, from top to bottom as they come."""
    figure, axes = _canvas(title, (4.8, max(1.6, 0.9 + 0.3 * len(values))))
    axes.barh(range(len(values)), list(values.values()))
    axes.set_yticks(range(len(values)), [_short(name) for name in values])
    axes.invert_yaxis()  # from top to bottom
    axes.set(xlabel=label)
    return figure


def to_svg(figure: Figure) -> str:
    """Return a new ``figure`` as SVG."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _canvas(title: str, size: tuple[float, float] = (4.8, 4.0)) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot(title=title)


def _short(label: str) -> str:  # a long label would leave no room for the picture
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"
