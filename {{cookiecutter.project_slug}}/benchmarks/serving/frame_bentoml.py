"""The same in BentoML: a data frame, and the pipeline of scikit-learn.

python -m benchmarks.serving.frame_bentoml MODEL PORT
"""

import os
import sys
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Frame:
    """A service that predicts with a model as it was saved."""

    def __init__(self) -> None:
        """Load the model."""
        self.pipeline = joblib.load(os.environ["BENCH_MODEL"])

    @bentoml.api
    def predict(self, frame: pd.DataFrame) -> dict[str, Any]:
        """Predict the rows of a frame."""
        answer = {"predictions": self.pipeline.predict(frame).tolist()}
        if hasattr(self.pipeline, "predict_proba"):
            answer["probabilities"] = self.pipeline.predict_proba(frame).tolist()
        return answer


if __name__ == "__main__":
    os.environ |= {"BENCH_MODEL": sys.argv[1], "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "serve", "--port", sys.argv[2]]
    os.execv(sys.executable, [*command, "benchmarks.serving.frame_bentoml:Frame"])
