"""What the service would have answered to the test rows of a version: what a window of
the prediction log is held against.

It is kept with the version, as a JSON document. Each column is sorted by itself, so
that no row can be put together from it; what was said and what was true stay together.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pandas import DataFrame, Series

from src.data.columns import Column
from src.data.schema import DataSchema
from src.evaluation.metrics import Predictions
from src.evaluation.performance import load_inputs
from src.models.registry import Registry, Version
from src.monitoring.settings import load_monitoring_settings
from src.serving.model import Model
from src.serving.schemas import row_model, values_of
from src.utils.config import Settings
from src.utils.errors import DataError

MAX_ROWS = 5000  # drawn of the test rows, which are enough for each test
NAME = "reference"


class Reference(NamedTuple):
    """The features of the test rows, each column by itself, and their predictions."""

    features: DataFrame
    predictions: Predictions


def write_reference(
    settings: Settings, registry: Registry, version: Version, asked: DataFrame
) -> None:
    """Keep the reference of a version; DataError if ``data/processed/`` has other rows
    than those that it was made with. If enough test rows are among ``asked`` ones, it
    is of these: they tell what the service is asked now."""
    path = registry.fetch(version)
    inputs = load_inputs(path, None, settings)
    schema, test = inputs.schema, inputs.test
    chosen = load_monitoring_settings(settings, schema)
    if {*schema.used} <= {*asked}:
        found = test.merge(asked[schema.used].drop_duplicates())
        test = found if len(found) >= chosen.window.min_rows else test
    if len(test) > MAX_ROWS:
        test = test.sample(MAX_ROWS, random_state=settings.seed)
    kept = [name for name in schema.features if name not in chosen.log.personal]
    row = row_model(schema)
    model = Model.load(path, str(version.number), schema, row)
    rows = test[schema.features].to_dict("records")
    answers = model.predict(values_of([row.model_validate(sent) for sent in rows]))
    content = {
        "columns": {name: _values(test[name]) for name in kept},
        "actual": test[schema.target].tolist(),
        "prediction": [answer["prediction"] for answer in answers],
        "probabilities": {
            label: [answer["probabilities"][label] for answer in answers]
            for label in model.classes
        },
    }
    registry.register(path, {NAME: content})


def load_reference(
    settings: Settings, registry: Registry, version: Version, schema: DataSchema
) -> Reference:
    """Return the reference of a version; DataError if it has none."""
    if (content := registry.document(version, NAME)) is None:
        raise DataError(f"version {version.number} has no reference")
    columns = {
        name: typed(values, schema.columns[name].type)
        for name, values in content["columns"].items()
        if name in schema.features
    }
    said = content["prediction"], content["actual"], content["probabilities"]
    return Reference(DataFrame(columns), predictions(settings, *said))


def predictions(
    settings: Settings,
    said: Iterable[Any],
    actual: Iterable[Any],
    probabilities: Mapping[Any, Sequence[float]],
) -> Predictions:
    """Return what was said, what was true, and how probable each class was."""
    kind: Any = np.float64 if settings.task == "regression" else object
    shares = np.column_stack([*probabilities.values()]) if probabilities else None
    if shares is not None:  # their digits are those of single precision
        shares /= shares.sum(axis=1, keepdims=True)
    both = np.array([*actual], kind), np.array([*said], kind)
    return Predictions(settings.task, *both, shares, tuple(probabilities))


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
