"""Predictions by ONNX Runtime: neither pandas nor scikit-learn, and no pickle."""

import json

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from src.models.encoding import Encoding
from src.serving.engine import Engine
from src.utils.errors import ModelError

# What is computed on so many rows stays in the cache of the processor.
CHUNK_ROWS = 512


class OnnxEngine(Engine):
    """A model that training has exported; the file says how rows are encoded."""

    runtime = "onnxruntime"

    def __init__(self, content: bytes) -> None:
        """Load an export.

        Args:
            content: The ONNX file, its digest checked.

        Raises:
            ModelError: If the installed ONNX Runtime cannot run it.
        """
        options = onnxruntime.SessionOptions()
        # One row is too little to share; many requests are answered side by side.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
            described = session.get_modelmeta().custom_metadata_map
            self.encoding = Encoding.from_json(json.loads(described["encoding"]))
            self.classes = tuple(json.loads(described["classes"]))
        # The exceptions of ONNX Runtime have no class in common but this one.
        except Exception as error:
            problem = " ".join(str(error).split())
            raise ModelError(
                f"the ONNX export cannot be loaded ({problem}) by onnxruntime "
                f"{onnxruntime.__version__}; run the training again"
            ) from error
        self._run = session.run
        self._outputs = [session.get_outputs()[0].name]

    def run(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities or the numbers of rows; see ``Engine``."""
        if len(X) <= CHUNK_ROWS:
            found: NDArray[np.float64] = self._run(self._outputs, {"X": X})[0]
            return found
        parts = [X[at : at + CHUNK_ROWS] for at in range(0, len(X), CHUNK_ROWS)]
        return np.concatenate([self._run(self._outputs, {"X": p})[0] for p in parts])
