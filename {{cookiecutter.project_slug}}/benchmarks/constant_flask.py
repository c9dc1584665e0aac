"""The limit of the framework: a row is validated, and the answer is a constant.

python -m benchmarks.serving.constant MODEL PORT
"""

import sys
from pathlib import Path
from typing import Any

from flask import Flask, request
from gunicorn.app.base import BaseApplication

from benchmarks.serving.rows import row_model, schema_of

ANSWER = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}
THREADS = 4


def create_app(model_path: Path) -> Flask:
    """Return an application that validates rows of the model and does no more."""
    app = Flask(__name__)
    row = row_model(schema_of(model_path))

    @app.post("/predict")
    def predict() -> Any:
        """Answer without a look at the row."""
        row.model_validate_json(request.get_data())
        return ANSWER

    return app


class Server(BaseApplication):
    """One worker of gunicorn, with threads."""

    def __init__(self, app: Flask, port: int) -> None:
        """Take the application and where it listens."""
        self.app = app
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from the defaults."""
        self.cfg.set("bind", f"127.0.0.1:{self.port}")
        self.cfg.set("worker_class", "gthread")
        self.cfg.set("threads", THREADS)
        self.cfg.set("keepalive", 60)

    def load(self) -> Flask:
        """Return the application."""
        return self.app


if __name__ == "__main__":
    Server(create_app(Path(sys.argv[1])), int(sys.argv[2])).run()
