"""The export of a trained model to ONNX, held against the model itself.

Training calls it where the configuration says ``export.format: onnx``. A service uses
the export only if it was found to answer as scikit-learn does.
"""

import logging
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pandas import DataFrame

from src.data.processed import load_processed
from src.data.schema import DataSchema
from src.models.artifact import Record
from src.models.encoding import Encoding
from src.models.onnx_graph import export_pipeline
from src.serving.onnx_engine import OnnxEngine
from src.utils.config import Settings
from src.utils.errors import DataError, ModelError

# The largest difference of a probability, or of a number relative to its size.
TOLERANCE = 1e-5

logger = logging.getLogger(__name__)


class Comparison(NamedTuple):
    """How the answers of an export differ from those of its model.

    Attributes:
        rows: How many rows were compared.
        labels: How many of them have another label.
        difference: The largest difference of a probability, or of a number relative to
            its size where that is above 1.
    """

    rows: int
    labels: int
    difference: float


def make_export(
    pipeline: Any, threshold: float | None, settings: Settings, schema: DataSchema
) -> tuple[bytes, Record]:
    """Export a fitted pipeline, and hold it against the pipeline on the test rows.

    Of the test rows only the features are looked at. Nothing here fails a training: a
    model that cannot be exported, or answers otherwise, is served by scikit-learn.

    Args:
        pipeline: As training saves it.
        threshold: The probability from which the second label is predicted, if tuned.
        settings: Where the test rows are.
        schema: The data contract.

    Returns:
        The content of the file, empty without a verified export, and what the record
        of the model says of it.
    """
    try:
        content = export_pipeline(pipeline)
        rows = load_processed(settings, "test")[schema.features]
        found = compare(content, pipeline, threshold, rows)
    except (DataError, ModelError) as error:
        return b"", _unverified(str(error))
    if found.labels or not found.difference <= TOLERANCE:
        return b"", _unverified(
            f"of {found.rows} test rows, {found.labels} have another label, and the "
            f"largest difference is {found.difference:.2g}; at most {TOLERANCE} is "
            "accepted"
        )
    return content, {
        "format": "onnx",
        "verified": True,
        "rows": found.rows,
        "max_difference": found.difference,
    }


def compare(
    content: bytes, pipeline: Any, threshold: float | None, rows: DataFrame
) -> Comparison:
    """Compare the answers of an export and of its pipeline.

    Args:
        content: The export.
        pipeline: What was exported.
        threshold: The probability from which the second label is predicted, if tuned.
        rows: Typed rows, with the features of the schema.

    Raises:
        ModelError: If the export cannot be run.
    """
    engine = OnnxEngine(content)
    table = _table(rows, engine.encoding)
    ours = engine.run(engine.make_encoder().encode_table(table))
    if not engine.classes:
        theirs = np.asarray(pipeline.predict(rows), dtype=np.float64)
        size = np.maximum(np.abs(theirs), 1.0)
        return Comparison(len(rows), 0, _largest((ours - theirs) / size))
    theirs = np.asarray(pipeline.predict_proba(rows), dtype=np.float64)
    best = ours.argmax(axis=1) if threshold is None else ours[:, 1] >= threshold
    labels = np.array(engine.classes, dtype=object)[best.astype(np.intp)]
    others = labels != np.asarray(pipeline.predict(rows)).astype(str)
    return Comparison(len(rows), int(others.sum()), _largest(ours - theirs))


def _table(rows: DataFrame, encoding: Encoding) -> pa.Table:
    """Return typed rows as the tables of the service are once they were checked."""
    columns = {}
    for column in encoding.columns:
        values = pa.array(rows[column.name], from_pandas=True)
        if column.type == "category":
            values = values.cast(pa.string()).dictionary_encode("encode")
        columns[column.name] = values
    return pa.table(columns)


def _largest(differences: NDArray[np.float64]) -> float:
    """Return the largest difference of either sign; NaN if there is one."""
    return float(np.abs(differences).max(initial=0.0))


def _unverified(reason: str) -> Record:
    """Return what the record says without an export, and warn."""
    logger.warning("no ONNX export, scikit-learn will serve: %s", reason)
    return {"format": "onnx", "verified": False, "reason": reason}
