"""The data dictionary that people read."""

from pathlib import Path

import pandas as pd

from src.data.dictionary import write_dictionary
from src.data.schema import DataSchema

COLUMNS = {
    "age": {"type": "integer", "min": 0, "max": 30, "unique": True},
    "owner": {"type": "category", "description": "Who *feeds* it."},
    "kind": {"type": "category", "role": "target", "values": ["cat", "`x`"]},
    "gone": {"type": "number", "role": "ignored"},
}
SCHEMA = DataSchema.model_validate({"name": "Pets | <b>", "columns": COLUMNS})


def test_it_says_what_the_schema_asks_for_and_what_the_data_hold(
    tmp_path: Path,
) -> None:
    age, owner = ["1", "12", "soon", None], ["Bo", "Cy", "Bo", "Al"]
    rows = pd.DataFrame({"age": age, "owner": owner, "kind": "cat"}, dtype="str")
    write_dictionary(tmp_path / "a.md", SCHEMA, rows)
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert lines[0] == r"# Data dictionary: Pets \| \<b\>"
    assert [line for line in lines if line.startswith("| `")] == [
        "| `age` | integer | feature | from 0 to 30 unique | 50.0% | 1 to 12 |  |",
        "| `owner` | category | feature |  | 0.0% "
        r"| 3 distinct, such as `Bo`, `Al`, `Cy` | Who \*feeds\* it. |",
        "| `kind` | category | target | `cat`, `` `x` `` | 0.0% |  |  |",
        "| `gone` | number | ignored |  | absent |  |  |",
    ]
