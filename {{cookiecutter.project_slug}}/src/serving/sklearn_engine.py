"""Predictions by scikit-learn: on arrays where the feature steps are known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.preprocessing import OneHotEncoder

from src.features.creation import FeatureColumn
from src.models.artifact import Record, load_model
from src.models.encoding import Encoding, InputColumn
from src.models.pipeline_encoding import encoding_of
from src.serving.encoder import RowEncoder
from src.serving.engine import Engine
from src.utils.errors import ModelError

if TYPE_CHECKING:
    import pyarrow as pa

Block = Callable[[NDArray[np.float64]], NDArray[np.float64]]

logger = logging.getLogger(__name__)


class SklearnEngine(Engine):
    """The fitted steps of a pipeline on arrays: no data frame is made of a row."""

    runtime = "scikit-learn"

    def __init__(self, pipeline: Any) -> None:
        """Take the steps of a fitted pipeline; it is changed, and not to be used again.

        Raises:
            ModelError: If a feature step is none that is known here.
        """
        self.encoding = encoding_of(pipeline)
        self.classes = _classes(pipeline)
        self._blocks = _blocks(pipeline, self.encoding)
        self._predict = _method(pipeline.named_steps["model"])

    def run(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities or the numbers of rows; see ``Engine``."""
        features = np.hstack([block(X) for block in self._blocks])
        return np.asarray(self._predict(features), dtype=np.float64)


class FrameEngine(Engine):
    """A whole pipeline on data frames: slow, and right whatever its steps are."""

    runtime = "scikit-learn"

    def __init__(self, pipeline: Any) -> None:
        """Take a fitted pipeline."""
        columns: Mapping[str, FeatureColumn] = pipeline.named_steps["creation"].columns
        self.encoding = Encoding(
            tuple(InputColumn(n, c.type, c.format) for n, c in columns.items())
        )
        self.classes = _classes(pipeline)
        self._predict = _method(pipeline)

    def run(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities or the numbers of the rows of a data frame."""
        return np.asarray(self._predict(X), dtype=np.float64)

    def make_encoder(self) -> RowEncoder:
        """Return what makes data frames of rows."""
        return FrameEncoder(self.encoding)


class FrameEncoder(RowEncoder):
    """Makes a data frame of rows, of the columns that a pipeline begins with."""

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return the data frame of rows."""
        columns = {n: [row.get(n) for row in rows] for n in self._names}
        frame = pd.DataFrame(columns, dtype="object")
        dates = [c.name for c in self.encoding.columns if c.type == "date"]
        # As text, they would be read by the format of the column once more.
        return frame.astype(dict.fromkeys(dates, "datetime64[us]"))

    def encode_table(self, table: pa.Table) -> Any:
        """Return the data frame of a table."""
        return table.select(self._names).to_pandas()


def load_sklearn_engine(path: Path) -> tuple[Engine, Record]:
    """Load the pipeline of a model file.

    Raises:
        ModelError: If it cannot be loaded, or is no pipeline of this project.
    """
    pipeline, record = load_model(path)
    try:
        return SklearnEngine(pipeline), record
    except ModelError as error:
        logger.warning("%s: predicts on data frames, slowly: %s", path, error)
    except (AttributeError, KeyError) as error:
        raise ModelError(
            f"{path}: found {type(pipeline).__name__}, expected a pipeline with the "
            f"steps creation and model ({error}); run the training again"
        ) from error
    pipeline, record = load_model(path)  # the steps of the first one were changed
    return FrameEngine(pipeline), record


def _classes(pipeline: Any) -> tuple[str, ...]:
    """Return the labels of a pipeline, as text; () for a regression."""
    return tuple(str(label) for label in getattr(pipeline, "classes_", ()))


def _method(predictor: Any) -> Callable[[Any], Any]:
    """Return the method that gives probabilities, or numbers where there are none."""
    method: Callable[[Any], Any]
    method = getattr(predictor, "predict_proba", None) or predictor.predict
    return method


def _blocks(pipeline: Any, encoding: Encoding) -> list[Block]:
    """Return what computes the features of each part of the column transformer.

    Raises:
        ModelError: If a part is none that works on the encoded rows.
    """
    places = encoding.places
    transformation = pipeline.named_steps["transformation"]
    blocks: list[Block] = []
    for name, transformer, columns in transformation.transformers_:
        if transformer == "drop" or not len(columns):
            continue
        if isinstance(transformer, OneHotEncoder):
            blocks.append(_one_hot(transformer, [places[c] for c in columns]))
        elif isinstance(transformer, BaseEstimator) and not set(columns) & {
            column.name for column in encoding.columns if column.type == "category"
        }:
            blocks.append(_on_arrays(transformer, [places[c] for c in columns]))
        else:
            raise ModelError(f"the feature step {name!r} works on data frames only")
    return blocks


def _on_arrays(transformer: Any, places: list[int]) -> Block:
    """Return a fitted transformer of numbers that takes columns of the matrix."""
    for step in [transformer, *(s for _, s in getattr(transformer, "steps", []))]:
        # It would warn of every array that it was fitted to a data frame.
        vars(step).pop("feature_names_in_", None)
    transform: Block = transformer.transform
    return lambda X: transform(X[:, places])


def _one_hot(encoder: OneHotEncoder, places: list[int]) -> Block:
    """Return what sets the indicators of categories by their codes."""
    names = [f"{k}" for k in range(len(places))]
    widths = [
        len(encoder._compute_transformed_categories(k)) for k in range(len(names))
    ]
    starts = np.cumsum([0, *widths[:-1]])
    total = sum(widths)

    def indicators(X: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.zeros((len(X), total))
        rows = np.arange(len(X))
        for place, start in zip(places, starts, strict=True):
            codes = X[:, place].astype(np.intp)
            known = codes >= 0
            found[rows[known], start + codes[known]] = 1.0
        return found

    return indicators
