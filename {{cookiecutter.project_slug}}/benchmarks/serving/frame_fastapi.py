"""What most people write: a row, a data frame of it, the pipeline of scikit-learn.

python -m benchmarks.serving.frame_fastapi MODEL PORT
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

from benchmarks.serving.rows import row_model, schema_of


def create_app(model_path: Path) -> FastAPI:
    """Return an application that predicts with a model as it was saved."""
    app = FastAPI()
    pipeline = joblib.load(model_path)

    async def predict(row: Any) -> dict[str, Any]:
        """Predict one row."""
        frame = pd.DataFrame([row.model_dump(by_alias=True)])
        if not hasattr(pipeline, "predict_proba"):
            return {"prediction": pipeline.predict(frame).tolist()[0]}
        shares = pipeline.predict_proba(frame).tolist()[0]
        labels = [str(label) for label in pipeline.classes_]
        return {
            "prediction": labels[shares.index(max(shares))],
            "probabilities": dict(zip(labels, shares, strict=True)),
        }

    predict.__annotations__["row"] = row_model(schema_of(model_path))
    app.post("/predict")(predict)
    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(Path(sys.argv[1])),
        port=int(sys.argv[2]),
        log_level="warning",
        access_log=False,
    )
