"""Saves a model as `mlflow models serve` wants it.

python -m benchmarks.serving.save_for_mlflow MODEL TEST_CSV FOLDER
"""

import os
import sys
from pathlib import Path

import joblib
import pandas as pd

from benchmarks.serving.rows import sample, schema_of


def save(model_path: Path, rows_csv: Path, folder: Path) -> None:
    """Write a model with its signature, and nothing that has to be installed."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    import mlflow  # here, because it reads the variable as it is imported

    pipeline = joblib.load(model_path)
    rows = pd.DataFrame(sample(rows_csv, schema_of(model_path), 100))
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        signature=mlflow.models.infer_signature(rows, pipeline.predict(rows)),
        serialization_format="cloudpickle",
        pip_requirements=[],
    )


if __name__ == "__main__":
    save(*map(Path, sys.argv[1:]))
