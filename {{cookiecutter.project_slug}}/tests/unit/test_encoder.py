"""The encoder: from rows that were read to the matrix of the model."""

from datetime import datetime
from typing import Any

import numpy as np

from src.models.encoding import CategoryCodes, Encoding, InputColumn
from src.serving.encoder import RowEncoder

CITY = CategoryCodes({"Oslo": 0, "Lima": 1, "Bern": 2}, missing=3, unknown=-1)
ENCODING = Encoding(
    (
        InputColumn("income", "number"),
        InputColumn("since", "date"),
        InputColumn("city", "category", None, CITY),
        InputColumn("unused", "category"),
        InputColumn("until", "date", "%Y"),
        InputColumn("member", "boolean"),
    )
)
NAN = float("nan")


def encode(*rows: dict[str, Any]) -> list[list[float]]:
    found: list[list[float]] = RowEncoder(ENCODING).encode(rows).tolist()
    return found


def test_each_type_has_its_places() -> None:
    row = {
        "income": 1.5,
        "since": datetime(2024, 2, 29, 23, 59),  # a Thursday
        "city": "Lima",
        "unused": "x",
        "until": datetime(2023, 1, 1),  # a Sunday
        "member": True,
    }
    (numbers,) = encode(row)
    assert numbers[:8] == [1.5, 2024, 2, 29, 3, 60, 23, 1]
    assert numbers[9:] == [2023, 1, 1, 6, 1, 0, 1]
    assert len(numbers) == ENCODING.width


def test_missing_values_are_nan_and_of_categories_a_code() -> None:
    (missing,) = encode(dict.fromkeys(c.name for c in ENCODING.columns))
    np.testing.assert_array_equal(missing[:8], [NAN] * 7 + [3])
    np.testing.assert_array_equal(missing[9:], [NAN] * 7)


def test_columns_that_a_row_lacks_are_missing() -> None:
    lacking, empty = encode({}, dict.fromkeys(c.name for c in ENCODING.columns))
    np.testing.assert_array_equal(lacking, empty)


def test_unknown_categories_have_a_code_of_their_own() -> None:
    assert encode({"city": "Rome"})[0][7] == -1


def test_a_single_column_is_encoded_too() -> None:
    encoder = RowEncoder(Encoding((InputColumn("x", "integer"),)))
    assert encoder.encode([{"x": 1}, {"x": None}])[0].tolist() == [1.0]
    assert encoder.encode([{"x": 1}]).shape == (1, 1)


def test_an_encoding_survives_json() -> None:
    assert Encoding.from_json(ENCODING.to_json()) == ENCODING
