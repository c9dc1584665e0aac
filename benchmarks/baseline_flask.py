"""The limit of Flask with gunicorn: a row is validated, and the answer is a constant.

Run as ``gunicorn "baseline_flask:create_app()"``.
"""

import os
from pathlib import Path
from typing import Any

from flask import Flask, request

from rows import ANSWER, row_model


def create_app() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    row = row_model(Path(os.environ["SERVING_MODEL_PATH"]))

    @app.post("/predict")
    def predict() -> Any:
        """Answer without a look at the row."""
        row.model_validate_json(request.get_data())
        return ANSWER

    return app
