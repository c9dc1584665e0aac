"""What a version of the model was like when it was promoted: the test rows and what it
said of them, which a window of the prediction log is held against.

It is kept with the version, as a JSON document. Each column is sorted by itself, so
that no row can be put together from it; what was said and what was true stay together.
"""

from typing import Any, NamedTuple

import numpy as np
from pandas import DataFrame, Series

from src.data.columns import Column
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions, predict
from src.evaluation.performance import load_inputs
from src.models.registry import Registry, Version
from src.monitoring.settings import load_monitoring_settings
from src.utils.config import Settings
from src.utils.errors import DataError

MAX_ROWS = 5000  # drawn of the test rows, which are enough for each test
NAME = "reference"


class Reference(NamedTuple):
    """The features of the test rows, each column by itself, and their predictions."""

    features: DataFrame
    predictions: Predictions


def write_reference(settings: Settings, registry: Registry, version: Version) -> None:
    """Keep the reference of a version; DataError if ``data/processed/`` has other rows
    than those that it was made with."""
    path = registry.fetch(version)
    inputs = load_inputs(path, settings.paths.processed / "test.csv", settings)
    schema, test = inputs.schema, inputs.test
    if len(test) > MAX_ROWS:
        test = test.sample(MAX_ROWS, random_state=settings.seed)
    of = (settings.task, inputs.record.get("positive_class"))
    said = predict(inputs.pipeline, test, test[schema.target], *of)
    personal = load_monitoring_settings(settings, schema).log.personal
    kept = [name for name in schema.features if name not in personal]
    content = {
        "columns": {name: _values(test[name]) for name in kept},
        "actual": said.y_true.tolist(),
        "prediction": said.y_pred.tolist(),
        "probabilities": _lists(said.probabilities),
        "classes": said.classes,
    }
    registry.register(path, {NAME: content})


def load_reference(
    settings: Settings, registry: Registry, version: Version, schema: DataSchema
) -> Reference:
    """Return the reference of a version, which is written first if need be."""
    if (content := registry.document(version, NAME)) is None:
        write_reference(settings, registry, version)
        content = registry.document(version, NAME)
    if content is None or not content["actual"]:
        raise DataError(f"version {version.number}: no reference; train and promote")
    columns = {
        name: typed(values, schema.columns[name].type)
        for name, values in content["columns"].items()
        if name in schema.features
    }
    probabilities = content["probabilities"]
    kind: Any = np.float64 if settings.task == "regression" else object
    said = Predictions(
        settings.task,
        np.array(content["actual"], kind),
        np.array(content["prediction"], kind),
        None if probabilities is None else np.array(probabilities, np.float64),
        tuple(content["classes"]),
    )
    return Reference(DataFrame(columns), said)


def typed(values: Any, kind: str) -> Column:
    """Return values of JSON, or of the log, as training has them."""
    if kind == "date":
        return Series(values, dtype="datetime64[us]")
    return Series(values, dtype="str" if kind == "category" else "float64")


def _values(column: Column) -> list[Any]:
    """Return the values of a column in order, missing ones last, as JSON has them."""
    ordered = column.sort_values(ignore_index=True)
    if ordered.dtype.kind == "M":
        ordered = ordered.dt.strftime("%Y-%m-%dT%H:%M:%S")
    return ordered.astype(object).where(ordered.notna(), None).tolist()


def _lists(probabilities: Any) -> list[list[float]] | None:
    return None if probabilities is None else probabilities.tolist()
