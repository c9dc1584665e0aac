"""How well a model predicts rows that it has not seen, on the whole and by slice."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object
from sklearn.metrics import precision_recall_fscore_support

from src.data.columns import Column
from src.data.preprocessing import load_processed, read_rows
from src.data.schema import ColumnType, DataSchema, load_schema
from src.data.splitting import row_keys
from src.evaluation import metrics
from src.evaluation.metrics import METRICS, PRIMARY, Measurement, Predictions, Score
from src.models.artifact import Record, load_model
from src.models.factory import ModelFactory
from src.utils.config import Settings
from src.utils.errors import ConfigError, DataError
from src.utils.files import sha256_of
from src.utils.logging import RUN_ID

# A category has at most so many slices; numbers and dates with more values are cut.
MAX_SLICES, MAX_VALUES = 20, 10
MISSING, OTHERS = "(missing)", "(all other values)"


class Inputs(NamedTuple):
    """A saved model, and the rows that it is measured on."""

    pipeline: Any
    record: Record
    schema: DataSchema
    train: pd.DataFrame
    test: pd.DataFrame
    test_path: Path


class SliceResult(NamedTuple):
    """How well the rows with one value or range of a column are predicted."""

    column: str
    value: str
    rows: int
    measurement: Measurement | None
    few: str = ""  # what there is too little of to be measured


class Rule(NamedTuple):
    """What is asked of a model, what it has and should have, and whether it holds."""

    name: str
    found: str
    expected: str
    passed: bool


class Table(NamedTuple):
    """A table of the report, as text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Audit(NamedTuple):
    """A section of the report beyond the metrics, with rules that the gate holds."""

    name: str  # the report's template introduces it
    tables: list[Table]
    pictures: dict[str, str]  # SVG by name
    rules: list[Rule]
    content: dict[str, Any]  # all figures, as JSON can hold them


class Evaluation(NamedTuple):
    """How well a model predicts the test rows, beside a baseline on the same rows."""

    predictions: Predictions
    model: Measurement
    baseline: Measurement
    improvement: Score | None  # in the primary metric; None if that is not defined
    classes: list[dict[str, Any]]
    slices: list[SliceResult]

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` than the baseline; ``unclear``, as the interval of
        the difference holds zero or is missing; ``mixed``, as other metrics object."""
        _, low, high = self.improvement or Score(0)
        if low is None or high is None or low <= 0 <= high:
            return "unclear"
        if low < 0:
            return "worse"
        return "mixed" if metrics.PROPER & {*self.contradicting} else "better"

    @property
    def contradicting(self) -> list[str]:
        """The metrics in which the baseline does better."""
        ours, theirs = self.model.scores, self.baseline.scores
        both = [(n, ours[n].value, theirs[n].value) for n in ours if n in theirs]
        return [name for name, a, b in both if METRICS[name].gain(a, b) < 0]

    @property
    def told(self) -> str:
        """The verdict in words, with the metrics that contradict it."""
        if self.verdict in ("worse", "unclear"):
            shown = "worse" if self.verdict == "worse" else "not shown to be better"
            return f"{shown} than the baseline"
        name = PRIMARY[self.predictions.task]
        worse = ", ".join(METRICS[name].label for name in self.contradicting)
        but = f" in {METRICS[name].label}, but worse in {worse}" if worse else ""
        return f"better than the baseline{but}"


def load_inputs(model_path: Path, path: Path | None, settings: Settings) -> Inputs:
    """Return a saved model and rows it has not seen; DataError if they do not fit."""
    pipeline, record = load_model(model_path)
    RUN_ID.set(record.get("run_id"))
    schema = load_schema(settings.data.schema_path, settings)
    train, folder = load_processed(settings, "train"), settings.paths.processed
    trained_on = record["data"]["files"]["train.csv"]["sha256"]
    if sha256_of(folder / "train.csv") != trained_on:  # after a new split
        problem = f"trained on other rows than {folder} holds now (test rows, too?)"
        raise DataError(f"{model_path}: {problem}; run `make train`")
    own = folder / "test.csv"
    is_own = (path := path or own).resolve() == own.resolve()  # as it was made
    test = load_processed(settings, "test") if is_own else read_rows(path, schema)
    if sha256_of(path) == trained_on:
        problem = "the rows that the model was trained on; expected others"
        raise DataError(f"{path}: {problem}")
    return Inputs(pipeline, record, schema, train, test, path)


def evaluate(inputs: Inputs, settings: Settings) -> Evaluation:
    """Measure a model on the test rows, on the whole and by slice, beside a baseline
    that knows the training target alone. Slices are by the sensitive columns of the
    schema and ``evaluation.slices``; ConfigError if one is not in the test rows."""
    test, schema, chosen = inputs.test, inputs.schema, settings.evaluation.slices
    known = [name for name in test.columns if name != schema.target]
    if unknown := [name for name in chosen if name not in known]:
        problem = f"found {unknown[0]!r}, expected columns of the test rows"
        raise ConfigError(f"evaluation.slices: {problem}: {', '.join(known)}")
    target = inputs.train[schema.target]
    dummy = ModelFactory.get_model("dummy", task=settings.task, seed=settings.seed)
    dummy.fit(target.to_frame(), target)
    of = (test, test[schema.target], settings.task, inputs.record.get("positive_class"))
    blocks, pipelines = row_keys(test, schema).blocks, (inputs.pipeline, dummy.pipeline)
    said = (replace(metrics.predict(p, *of), blocks=blocks) for p in pipelines)
    predictions, guesses = said
    model = metrics.measure(predictions, settings, also=settings.gate.thresholds)
    baseline = metrics.measure(guesses, settings)
    slices = []
    for column in dict.fromkeys([*schema.sensitive, *chosen]):
        names = slice_names(test[column], schema.columns[column].type)
        for name in names.cat.categories:
            part = predictions.take((names == name).to_numpy())
            few = metrics.too_few(part, settings)
            measured = None if few else metrics.measure(part, settings)
            slices.append(SliceResult(column, name, len(part.y_true), measured, few))
    better, classes = improvement(model, baseline, settings), _classes(predictions)
    return Evaluation(predictions, model, baseline, better, classes, slices)


def near_training(inputs: Inputs) -> dict[str, float]:
    """Return the shares of test rows with a training row's features, or its group."""
    parts, schema = (inputs.test, inputs.train), inputs.schema
    test, train = (hash_pandas_object(p[schema.features], index=False) for p in parts)
    shares = {"equal in all features": float(test.isin(train).mean())}
    if name := schema.group_column:
        known = inputs.test[name].isin(inputs.train[name].dropna())
        shares[f"same {name}"] = float(known.mean())
    return shares


def improvement(
    model: Measurement, other: Measurement, settings: Settings
) -> Score | None:
    """Return how much better a model is in the primary metric than another one on the
    same rows, sample by sample; None if the metric is not defined on these rows."""
    name = PRIMARY[settings.task]
    if name not in model.scores or name not in other.scores:
        return None
    gain = METRICS[name].gain
    value = gain(model.scores[name].value, other.scores[name].value)
    if model.few:  # they may all be right by chance
        return Score(value)
    gains = gain(model.samples[name], other.samples[name])
    return Score(value, *metrics.interval(gains, settings))


def slice_names(column: Column, kind: ColumnType) -> Column:
    """Return the slice that each row is in by a typed column, in the order of a report:
    categories by frequency, of more than ``MAX_SLICES`` the rarest as one; numbers and
    dates with more than ``MAX_VALUES`` values in quarters; and last missing values."""
    present = column.dropna()
    if kind == "category":
        values = present.sort_values().value_counts().index
        kept = len(values) if len(values) <= MAX_SLICES else MAX_SLICES - 1
        names = {v: v if k < kept else OTHERS for k, v in enumerate(values)}
    else:
        known, names = pd.Series(sorted(present.unique())), {}
        many = len(known) > MAX_VALUES
        edges = present.quantile([0.25, 0.5, 0.75]) if many else known
        for _, part in known.groupby(np.searchsorted(edges, known)):
            ends = dict.fromkeys((part.min(), part.max()))  # one, of a single value
            names |= dict.fromkeys(part, " to ".join(_text(v, kind) for v in ends))
    order = pd.CategoricalDtype([*dict.fromkeys(names.values()), MISSING])
    sliced = column.map(names).astype(object).fillna(MISSING).astype(order)
    return sliced.cat.remove_unused_categories()


def _text(value: Any, kind: ColumnType) -> str:
    if kind == "date":
        return str(value.isoformat(" ")).removesuffix(" 00:00:00")
    return str(bool(value)).lower() if kind == "boolean" else f"{value:.6g}"


def _classes(p: Predictions) -> list[dict[str, Any]]:
    """Return the result for each class that is actual or predicted of some row."""
    if p.task == "regression":
        return []
    labels = sorted({*p.y_true, *p.y_pred})
    options: Any = {"labels": labels, "zero_division": 0}
    found = precision_recall_fscore_support(p.y_true, p.y_pred, **options)
    names = ("label", "precision", "recall", "f1", "rows")
    lines = zip(labels, *(figures.tolist() for figures in found), strict=True)
    return [dict(zip(names, line, strict=True)) for line in lines]
