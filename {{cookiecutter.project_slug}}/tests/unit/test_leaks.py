"""Columns that give the target away, and the gate that stops their model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from src.data.leaks import strength
from src.data.schema import DataSchema
from src.evaluation.leaks import audit_leaks
from src.evaluation.performance import Inputs
from tests.conftest import ProjectMaker

RANDOM = np.random.default_rng(0)
ROWS = 400
IS_YES = RANDOM.random(ROWS) < 0.3
LABELS = pd.Series(np.where(IS_YES, "yes", "no"))
NOISE = pd.Series(RANDOM.normal(size=ROWS))


@pytest.mark.parametrize(
    ("column", "gives_away"),
    [
        (NOISE + 9 * IS_YES, True),
        (NOISE.where(IS_YES), True),  # by what is missing
        (pd.Series([f"{label}{n % 9}" for n, label in enumerate(LABELS)]), True),
        (NOISE + 2 * IS_YES, False),  # honest
        (NOISE, False),
    ],
)
def test_a_column_that_alone_tells_the_classes_is_found(
    column: "pd.Series[Any]", gives_away: bool
) -> None:
    assert (strength(column, LABELS, "classification") >= 0.99) is gives_away


def test_a_leak_does_not_pass_unless_the_schema_says_how_it_is_known_before(
    make_project: ProjectMaker,
) -> None:
    rows = pd.DataFrame({"x": NOISE, "late": NOISE + 9 * IS_YES, "y": LABELS})
    for reason in ("", "asked for before the decision"):
        columns = {
            "x": {"type": "number"},
            "late": {"type": "number", "no_leak": reason},
            "y": {"type": "category", "role": "target"},
        }
        schema = DataSchema.model_validate({"name": "t", "columns": columns})
        inputs = Inputs(None, {}, schema, rows, rows, Path())
        audit = audit_leaks(inputs, make_project())
        (rule,) = audit.rules
        assert rule.passed is bool(reason)
        assert rule.name == ("Leaks" if reason else "late alone")
        assert audit.tables[0].rows[0] == ["late", "1.0000", reason]
