"""How well a model predicts rows that it has not seen, on the whole and by group."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

from src.data.schema import ColumnType, DataSchema
from src.evaluation.bootstrap import Measurement, Score, interval, measure
from src.evaluation.metrics import Predictions, encode, primary_metric
from src.evaluation.slices import slice_masks
from src.models.factory import ModelFactory
from src.utils.config import EvaluationSettings, Settings
from src.utils.errors import ConfigError, DataError


@dataclass(frozen=True)
class ClassResult:
    """How well one class is predicted: shares, and the rows that are of it."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class SliceResult:
    """How well the rows with one value of a column are predicted.

    Attributes:
        column: The column.
        value: Its value, or a range of values.
        rows: How many test rows have it.
        actual: Their mean target, or share of the positive one of two classes; None
            with more classes.
        predicted: The same of what the model predicts.
        measurement: Their metrics; None with fewer rows than ``min_slice_rows``.
    """

    column: str
    value: str
    rows: int
    actual: float | None
    predicted: float | None
    measurement: Measurement | None


@dataclass(frozen=True)
class Evaluation:
    """All that is known about how well a model predicts the test rows.

    Attributes:
        predictions: What it said.
        model: Its metrics.
        baseline: Those of the baseline, on the same rows.
        improvement: By how much the model is better in the primary metric (negative if
            it is worse), with a paired interval; None if that metric is not defined.
        classes: The result for each class; none for a regression.
        slices: The result for each slice, column by column.
    """

    predictions: Predictions
    model: Measurement
    baseline: Measurement
    improvement: Score | None
    classes: list[ClassResult]
    slices: list[SliceResult]

    @property
    def verdict(self) -> str:
        """Whether the model is ``better`` or ``worse`` than the baseline, or neither:
        ``unclear``, because the interval of the difference holds zero or is missing."""
        better = self.improvement
        if better is None or better.low is None or better.high is None:
            return "unclear"
        if better.low > 0:
            return "better"
        return "worse" if better.high < 0 else "unclear"


def evaluate(
    pipeline: Any,
    train_target: "pd.Series[Any]",
    test: pd.DataFrame,
    schema: DataSchema,
    settings: Settings,
) -> Evaluation:
    """Measure a fitted pipeline on test rows, beside a baseline, whole and by slice.

    Args:
        pipeline: What the training saved: rows go in, predictions come out.
        train_target: The target of the training rows; the baseline predicts its most
            frequent label, with the shares as probabilities, or its mean.
        test: The test rows as ``coerce`` returns them.
        schema: The data contract; its sensitive columns are slices.
        settings: The task, the seed and what ``evaluation`` says.

    Raises:
        ConfigError: If a slice is not a column of the test rows.
        DataError: If a test row has no target.
    """
    chosen, seed = settings.evaluation, settings.seed
    columns = _slice_columns(test, schema, chosen)
    dummy = ModelFactory.get_model("dummy", task=settings.task, seed=seed)
    dummy.fit(train_target.to_frame(), train_target)
    predictions = predict(pipeline, test, schema, settings)
    guesses = predict(dummy.pipeline, test, schema, settings)
    model, baseline = (_measure(p, chosen, seed) for p in (predictions, guesses))
    return Evaluation(
        predictions,
        model,
        baseline,
        improvement(model, baseline, settings),
        _classes(predictions),
        [
            result
            for name in columns
            for result in _slices(
                predictions, name, test[name], schema.columns[name].type, settings
            )
        ],
    )


def predict(
    pipeline: Any, rows: pd.DataFrame, schema: DataSchema, settings: Settings
) -> Predictions:
    """Return what ``pipeline`` predicts for ``rows``, beside their target.

    Raises:
        DataError: If a row has no target.
    """
    target = rows[schema.target]
    if target.isna().any():
        raise DataError(
            f"column {schema.target!r}: {target.isna().sum()} of {len(rows)} rows have "
            "no target, expected one in each; leave these rows out"
        )
    if settings.task == "regression":
        numbers = target.to_numpy(dtype=np.float64)
        return Predictions("regression", numbers, np.asarray(pipeline.predict(rows)))
    probabilities = None
    if hasattr(pipeline, "predict_proba"):
        probabilities = np.asarray(pipeline.predict_proba(rows), dtype=np.float64)
    return Predictions(
        "classification",
        target.to_numpy(dtype=object),
        np.asarray(pipeline.predict(rows), dtype=object),
        probabilities,
        tuple(str(label) for label in pipeline.classes_),
    )


def _slice_columns(
    test: pd.DataFrame, schema: DataSchema, settings: EvaluationSettings
) -> list[str]:
    """Return the sensitive and the configured columns, each once."""
    for name in settings.slices:
        if name not in test.columns or name == schema.target:
            expected = ", ".join(c for c in test.columns if c != schema.target)
            raise ConfigError(
                f"evaluation.slices: found {name!r}, expected columns of the test "
                f"rows: {expected}"
            )
    sensitive = [name for name in schema.sensitive if name in test.columns]
    return list(dict.fromkeys([*sensitive, *settings.slices]))


def _measure(
    predictions: Predictions, settings: EvaluationSettings, seed: int
) -> Measurement:
    """Return the metrics with the intervals that the settings ask for."""
    return measure(predictions, settings.confidence, settings.bootstrap_samples, seed)


def improvement(
    model: Measurement, baseline: Measurement, settings: Settings
) -> Score | None:
    """Return how much better a model is in the primary metric, than another one.

    Both are measured on the same rows with the same seed, so that the interval is of
    the difference, sample by sample.

    Returns:
        The difference, negative if the model is worse; None if the metric is not
        defined on these rows.
    """
    name, higher_is_better = primary_metric(settings.task)
    if name not in model.scores or name not in baseline.scores:
        return None
    sign = 1 if higher_is_better else -1
    value = sign * (model.scores[name].value - baseline.scores[name].value)
    if model.rows < settings.evaluation.min_slice_rows:
        return Score(value, None, None)  # so few rows may all be right by chance
    gains = sign * (model.replicates[name] - baseline.replicates[name])
    return Score(value, *interval(gains, settings.evaluation.confidence))


def _classes(predictions: Predictions) -> list[ClassResult]:
    """Return the result for each class that rows are of or are predicted to be of."""
    if predictions.task == "regression":
        return []
    coded = encode(predictions)
    present = np.union1d(coded.y_true, coded.y_pred)
    columns = precision_recall_fscore_support(
        coded.y_true, coded.y_pred, labels=present, zero_division=0
    )
    return [
        ClassResult(
            coded.labels[k], int(rows), float(precision), float(recall), float(f1)
        )
        for k, precision, recall, f1, rows in zip(present, *columns, strict=True)
    ]


def _slices(
    predictions: Predictions,
    name: str,
    column: "pd.Series[Any]",
    kind: ColumnType,
    settings: Settings,
) -> list[SliceResult]:
    """Return the result for each slice by the column ``name``."""
    chosen = settings.evaluation
    actual, predicted = _levels(predictions)
    results = []
    for value, rows in slice_masks(column, kind).items():
        mask = rows.to_numpy(dtype=bool)
        count = int(mask.sum())
        measurement = None
        if count >= chosen.min_slice_rows:
            measurement = _measure(predictions.select(mask), chosen, settings.seed)
        results.append(
            SliceResult(
                name,
                value,
                count,
                None if actual is None else float(actual[mask].mean()),
                None if predicted is None else float(predicted[mask].mean()),
                measurement,
            )
        )
    return results


def _levels(predictions: Predictions) -> tuple[Any, Any]:
    """Return target and prediction as numbers (1 for the positive class), or None."""
    if predictions.task == "regression":
        return predictions.y_true, predictions.y_pred
    if len(predictions.classes) != 2:
        return None, None
    positive = predictions.classes[1]
    return predictions.y_true == positive, predictions.y_pred == positive
