"""The data dictionary that people read."""

import pandas as pd

from src.data.dictionary import dictionary
from src.data.schema import DataSchema

SCHEMA = DataSchema.model_validate(
    {
        "name": "Pets | <b>",
        "description": "Of the\nneighbours.",
        "sensitive": ["owner"],
        "columns": {
            "a|ge": {"type": "integer", "min": 0, "max": 30, "unique": True},
            "owner": {"type": "category", "description": "Who *feeds* it."},
            "seen": {"type": "date", "format": "%d/%m/%Y"},
            "kind": {"type": "category", "role": "target", "values": ["cat", "`x`"]},
            "gone": {"type": "number", "role": "ignored"},
        },
    }
)
ROWS = pd.DataFrame(
    {
        "a|ge": ["1", "12", "soon", None],
        "owner": ["Bo", "Al", "Bo", "Cy"],
        "seen": ["01/02/2024", None, None, None],
        "kind": ["cat"] * 4,
    },
    dtype="str",
)


def line_of(name: str) -> list[str]:
    """Return the cells of the line about a column."""
    text = dictionary(SCHEMA, ROWS).replace("\\|", "¦")
    line = next(x for x in text.splitlines() if x.startswith(f"| `{name}`"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_column_has_a_line_of_as_many_cells_as_the_heading() -> None:
    for name in ("a¦ge", "owner", "seen", "kind", "gone"):
        assert len(line_of(name)) == 7


def test_limits_gaps_and_range_of_a_number_are_shown() -> None:
    cells = line_of("a¦ge")
    assert cells[3:6] == ["from 0 to 30 unique", "50.0%", "1 to 12"]


def test_examples_are_the_most_frequent_values() -> None:
    assert line_of("owner")[5] == "3 distinct, such as `Bo`, `Al`, `Cy`"


def test_allowed_values_and_format_are_shown() -> None:
    assert line_of("kind")[3] == "`cat`, `` `x` ``"
    assert line_of("seen")[3] == "written `%d/%m/%Y`"


def test_a_column_that_is_not_in_the_data_is_said_to_be_absent() -> None:
    assert line_of("gone")[4] == "absent"


def test_text_is_not_taken_for_markup() -> None:
    text = dictionary(SCHEMA, ROWS)
    assert text.startswith(
        "# Data dictionary: Pets \\| \\<b\\>\n\nOf the neighbours.\n"
    )
    assert line_of("owner")[6] == "Who \\*feeds\\* it."


def test_target_and_sensitive_columns_are_named() -> None:
    text = dictionary(SCHEMA, ROWS)
    assert "- Target: `kind`" in text
    assert "reported on separately: `owner`" in text
