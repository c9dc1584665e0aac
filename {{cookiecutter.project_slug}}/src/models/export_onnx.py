"""The export of a trained model to ONNX, used only if it answers as the model does. It
takes the created features that the selection kept: text, or numbers as float32."""

import json
import logging
import warnings

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx.helper import set_model_props
from pandas import DataFrame
from pandas.api.types import is_numeric_dtype
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from src.models.artifact import Record
from src.models.base import estimator_of

# The largest difference of a probability, or of a number relative to its size.
TOLERANCE = 1e-4

logger = logging.getLogger(__name__)


def make_export(pipeline: Pipeline, rows: DataFrame) -> tuple[bytes | None, Record]:
    """Return the export of a fitted pipeline, compared with it on rows that it takes,
    and what the record says of it. Nothing here fails a training: None stands for an
    export that cannot be made, or answers otherwise."""
    features = pipeline[:-2].transform(rows)
    answer = getattr(pipeline, "predict_proba", pipeline.predict)
    expected = np.asarray(answer(rows), dtype=np.float64).reshape(len(rows), -1)
    try:
        content = _convert(pipeline, features)
        found = _run(content, features)
    except Exception as error:  # skl2onnx and onnxruntime raise any kind
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
    else:
        size = np.maximum(np.abs(expected), 1)  # of a probability it is 1
        difference = float(np.max(np.abs(found - expected) / size))
        if difference <= TOLERANCE:  # which NaN is not
            verified = {"rows": len(rows), "max_difference": difference}
            return content, {"verified": True, **verified}
        measured = f"on {len(rows)} rows the largest difference is {difference:.2g}"
        reason = f"{measured}, at most {TOLERANCE:g} is accepted"
    logger.warning("no ONNX export, scikit-learn will serve: %s", reason)
    return None, {"verified": False, "reason": reason}


def _convert(pipeline: Pipeline, features: DataFrame) -> bytes:
    """Return the transformation and the estimator as ONNX. Its metadata name the inputs
    in their order, as ONNX does not take every name, and the classes."""
    inputs = [
        (name, (FloatTensorType if is_number else StringTensorType)([None, 1]))
        for name, is_number in features.dtypes.map(is_numeric_dtype).items()
    ]
    estimator = estimator_of(pipeline)
    classes = [str(label) for label in getattr(estimator, "classes_", [])]
    steps = Pipeline([pipeline.steps[-2], ("model", estimator)])
    options = {"zipmap": False} if classes else None
    # It gives protobuf a boolean for an integer.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        model = convert_sklearn(steps, "model", inputs, options=options)
    # Else their order, and so the file, would differ from process to process.
    model.opset_import.sort(key=lambda opset: opset.domain)
    described = {"features": list(features), "classes": classes}
    set_model_props(model, {name: json.dumps(v) for name, v in described.items()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _run(content: bytes, features: DataFrame) -> NDArray[np.float64]:
    """Return what an export answers: probabilities (rows, classes), or (rows, 1)."""
    session = onnxruntime.InferenceSession(content)
    feeds = {}
    for given, name in zip(session.get_inputs(), features, strict=True):
        kind = object if given.type == "tensor(string)" else np.float32
        feeds[given.name] = features[name].to_numpy(dtype=kind).reshape(-1, 1)
    return np.asarray(session.run(None, feeds)[-1], dtype=np.float64)
