"""A first schema, in more detail."""

from typing import Any

import numpy as np
import pandas as pd

from src.data.inference import infer_schema
from src.data.schema import DataSchema
from src.data.validation import find_violations
from src.utils.config import Task

ROWS = 60


def frame_with(target: Any = None, **columns: Any) -> pd.DataFrame:
    """Return rows as a CSV file gives them: text, with a feature and a target."""
    rng = np.random.default_rng(0)
    content = {"x": rng.normal(size=ROWS).round(3)} | columns
    content["y"] = ["a", "b", "c"] * (ROWS // 3) if target is None else target
    frame = pd.DataFrame(content).astype("object")
    return frame.where(frame.notna(), None).astype("str")


def infer(frame: pd.DataFrame, task: Task = "classification") -> DataSchema:
    """Return the schema inferred for the target ``y``."""
    return infer_schema(frame, "y", "test", task)


def test_parts_of_a_numeric_target_and_its_other_units_are_ignored() -> None:
    rng = np.random.default_rng(4)
    parts = {name: rng.integers(0, 99, ROWS) for name in ("casual", "registered")}
    total = parts["casual"] + parts["registered"]
    schema = infer(frame_with(total, **parts, dozens=total / 12), "regression")
    assert schema.features == ["x"]
    assert "weighted sum" in schema.columns["casual"].description
    assert "in other units" in schema.columns["dozens"].description
    noisy = frame_with(total + rng.random(ROWS), **parts)
    assert infer(noisy, "regression").features == ["x", *parts]


def test_data_keep_the_schema_that_was_inferred_from_them() -> None:
    columns = {
        "num, 'quoted' \"name\"": [1, "None", None, 1, 1] * 12,
        "größe 日本": ["S", "M", None, "?", "S"] * 12,
        "when": ["31/12/2023", "01/02/2024", "", "", ""] * 12,
        "flag": ["Yes", "no", None, "no", "no"] * 12,
    }
    frame = frame_with(**columns)
    schema = infer(frame)
    assert schema.features == ["x", *columns]
    assert find_violations(frame, schema, max_examples=5) == []
