"""FastAPI as most write it: ``baseline_fastapi.py constant|frame MODEL PORT``.

``constant`` is the limit of the framework: a row is validated, and the answer is always
the same. ``frame`` predicts by a data frame of the row, and the pipeline.
"""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI

from rows import ANSWER, row_model


def create_app(kind: str, model_path: Path) -> FastAPI:
    """Return one or the other."""
    app = FastAPI()
    Row: Any = row_model(model_path)

    if kind == "constant":

        @app.post("/predict")
        async def constant(row: Row) -> Any:
            """Answer without a look at the row."""
            return ANSWER

        return app

    pipeline = joblib.load(model_path)
    labels = [str(label) for label in pipeline.classes_]

    @app.post("/predict")
    async def frame(row: Row) -> Any:
        """Predict one row."""
        rows = pd.DataFrame([row.model_dump(by_alias=True)])
        shares = pipeline.predict_proba(rows).tolist()[0]
        return {
            "prediction": labels[shares.index(max(shares))],
            "probabilities": dict(zip(labels, shares, strict=True)),
        }

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1], Path(sys.argv[2])),
        port=int(sys.argv[3]),
        log_level="warning",
        access_log=False,
    )
