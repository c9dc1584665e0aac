"""The limit of BentoML: rows are validated, and the answer is a constant.

Run as ``bentoml serve baseline_bentoml:Constant``.
"""

import os
from pathlib import Path
from typing import Any

import bentoml

from rows import ANSWER, row_model

Row: Any = row_model(Path(os.environ["SERVING_MODEL_PATH"]))


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Constant:
    """A service that does no more."""

    @bentoml.api
    async def predict(self, rows: list[Row]) -> dict[str, Any]:
        """Answer without a look at the rows."""
        return ANSWER
