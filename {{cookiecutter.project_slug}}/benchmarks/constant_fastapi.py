"""The limit of the framework: a row is validated, and the answer is a constant.

python -m benchmarks.serving.constant MODEL PORT
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from benchmarks.serving.rows import row_model, schema_of

ANSWER = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}


def create_app(model_path: Path) -> FastAPI:
    """Return an application that validates rows of the model and does no more."""
    app = FastAPI()

    async def predict(row: Any) -> Any:
        """Answer without a look at the row."""
        return ANSWER

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
