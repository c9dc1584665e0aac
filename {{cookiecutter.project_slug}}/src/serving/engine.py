"""What computes predictions: ONNX Runtime where it can, scikit-learn where it must."""

import logging
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from src.models.artifact import (
    Record,
    has_verified_export,
    load_export,
    load_record,
)
from src.models.encoding import Encoding
from src.serving.encoder import RowEncoder
from src.utils.errors import ModelError

logger = logging.getLogger(__name__)


class Engine(ABC):
    """A loaded model: encoded rows in, probabilities or numbers out.

    Attributes:
        runtime: What computes, ``onnxruntime`` or ``scikit-learn``.
        encoding: How rows are encoded for it.
        classes: The labels, in the order of the probabilities; () for a regression.
    """

    runtime: str
    encoding: Encoding
    classes: tuple[str, ...]

    @abstractmethod
    def run(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities (rows, classes), or the numbers (rows,), of rows.

        Args:
            X: What the encoder of this engine returns.
        """

    def make_encoder(self) -> RowEncoder:
        """Return what makes of rows what this engine takes."""
        return RowEncoder(self.encoding)


def load_engine(model_path: Path) -> tuple[Engine, Record]:
    """Load a model, compiled if its verified export is there and whole.

    Args:
        model_path: The model file; its record, and its export if any, are beside it.

    Returns:
        What computes, and the record of the model.

    Raises:
        ModelError: If neither can be loaded.
    """
    record = load_record(model_path)
    if not has_verified_export(record):
        reason = (record.get("export") or {}).get("reason", "it was not exported")
    else:
        try:
            # Imported only when needed: each brings a library of its own.
            from src.serving.onnx_engine import OnnxEngine

            content, record = load_export(model_path)
            return OnnxEngine(content), record
        except (ImportError, ModelError) as error:
            reason = str(error)
    logger.warning(
        "%s: scikit-learn predicts, not ONNX Runtime: %s", model_path, reason
    )
    try:
        from src.serving.sklearn_engine import load_sklearn_engine
    except ImportError as error:
        raise ModelError(
            f"{model_path}: {error.name} is needed to predict without a verified "
            f"export ({reason}) and is not installed; train again with export.format "
            "onnx, or install requirements.txt"
        ) from None
    return load_sklearn_engine(model_path)
