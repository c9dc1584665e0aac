"""The ways of answering predictions that are measured.

All run with one worker, and none but ours writes an access log.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from src.utils.config import PROJECT_ROOT

# What the project does not need itself is installed here.
BENCH_PYTHON = PROJECT_ROOT / ".venv-bench/bin/python"
API_KEY = "key-of-the-benchmark"
# Where this project takes predictions.
PATH = "/v1/predict"
OURS, CONSTANT, FRAME, BENTOML, MLFLOW = "ours", "limit", "frame", "bentoml", "mlflow"

Row = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """A way of answering predictions.

    Attributes:
        title: What the table calls it.
        command: What starts it, with ``{python}``, ``{model}``, ``{port}``, ``{test}``
            (the rows) and ``{folder}`` (for its own files) to be filled in.
        path: Where it takes predictions.
        batch_path: Where it takes tables, if it is measured.
        packages: What must be installed for it.
        body: The body of a request about a row.
        headers: Sent with each request.
        variables: For its environment, with the same names in braces.
        prepare: A command to run before, in the same environment.
    """

    title: str
    command: str
    path: str = "/predict"
    batch_path: str | None = None
    packages: tuple[str, ...] = ()
    body: Callable[[Row], Any] = lambda row: row
    headers: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""

    def python(self) -> Path | None:
        """Return the Python that has its packages: the project's, else the other."""
        if all(find_spec(name) for name in self.packages):
            return Path(sys.executable)
        ask = f"import {', '.join(self.packages)}"
        if not BENCH_PYTHON.exists():
            return None
        asked = subprocess.run(
            [BENCH_PYTHON, "-c", ask], capture_output=True, check=False
        )
        return BENCH_PYTHON if asked.returncode == 0 else None

    def bodies(self, rows: list[Row]) -> str:
        """Return the bodies of requests about rows, one a line."""
        return "".join(json.dumps(self.body(row)) + "\n" for row in rows)


def services() -> dict[str, Service]:
    """Return what is measured, by the name that ``--skip`` takes."""
    return {
        OURS: Service(
            "this project, all middleware on",
            "{python} -m src.serving.api",
            path=PATH,
            batch_path=f"{PATH}/batch",
            headers={"X-API-Key": API_KEY},
            variables={
                "SERVING_MODEL_PATH": "{model}",
                "SERVING_PORT": "{port}",
                "SERVING_API_KEY": API_KEY,
            },
        ),
        CONSTANT: Service(
            "its framework, input validated, a constant",
            "{python} -m benchmarks.serving.constant {model} {port}",
        ),
        FRAME: Service(
            "FastAPI, data frame, scikit-learn",
            "{python} -m benchmarks.serving.frame_fastapi {model} {port}",
            packages=("fastapi", "uvicorn"),
        ),
        BENTOML: Service(
            "BentoML, data frame, scikit-learn",
            "{python} -m benchmarks.serving.frame_bentoml {model} {port}",
            packages=("bentoml",),
            body=lambda row: {"frame": [row]},
        ),
        MLFLOW: Service(
            "mlflow models serve",
            "{python} -m mlflow models serve --model-uri {folder}/mlflow "
            "--port {port} --workers 1 --env-manager local",
            path="/invocations",
            packages=("mlflow",),
            body=lambda row: {"dataframe_records": [row]},
            variables={"MLFLOW_DISABLE_TELEMETRY": "true"},
            prepare="{python} -m benchmarks.serving.save_for_mlflow {model} {test} "
            "{folder}/mlflow",
        ),
    }
