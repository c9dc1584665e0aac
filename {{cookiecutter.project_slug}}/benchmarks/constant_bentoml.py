"""The limit of the framework: a row is validated, and the answer is a constant.

python -m benchmarks.serving.constant MODEL PORT
"""

import os
import sys
from pathlib import Path
from typing import Any

import bentoml

from benchmarks.serving.rows import row_model, schema_of

ANSWER = {"prediction": "no", "probabilities": {"no": 0.75, "yes": 0.25}}


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Constant:
    """A service that validates rows of the model and does no more."""

    @bentoml.api(input_spec=row_model(schema_of(Path(os.environ["BENCH_MODEL"]))))
    async def predict(self, **row: Any) -> dict[str, Any]:
        """Answer without a look at the row."""
        return ANSWER


if __name__ == "__main__":
    os.environ |= {"BENCH_MODEL": sys.argv[1], "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "serve", "--port", sys.argv[2]]
    os.execv(sys.executable, [*command, "benchmarks.serving.constant:Constant"])
