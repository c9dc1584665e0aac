"""How the columns of a row become the numbers that a compiled model takes.

Neither pandas nor scikit-learn is needed here: the running service has none of them.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

from src.data.schema import ColumnType

DATE_PARTS = ("year", "month", "day", "weekday", "day of year", "hour")


@dataclass(frozen=True)
class CategoryCodes:
    """How the text of a category becomes a number.

    Attributes:
        codes: The code of each text; rare texts share one.
        missing: The code of a missing value.
        unknown: The code of any other text; -1 where it sets no indicator.
    """

    codes: dict[str, int]
    missing: int
    unknown: int


@dataclass(frozen=True)
class InputColumn:
    """One column of the rows.

    Attributes:
        name: As in the data schema.
        type: As in the data schema.
        format: How dates are written (``strptime``); ISO 8601 if None.
        categories: Of a category only; None if the selection left the column out.
    """

    name: str
    type: ColumnType
    format: str | None = None
    categories: CategoryCodes | None = None

    @property
    def width(self) -> int:
        """How many numbers the column becomes."""
        return len(DATE_PARTS) if self.type == "date" else 1


@dataclass(frozen=True)
class Encoding:
    """How rows become the matrix ``X``, column by column in the order of the schema.

    An integer, a number and a boolean (1 or 0) become themselves, NaN if missing; a
    category its code; a date its ``DATE_PARTS``, NaN if missing. A column that the
    selection left out keeps its place.
    """

    columns: tuple[InputColumn, ...]

    @property
    def width(self) -> int:
        """How many columns the matrix has."""
        return sum(column.width for column in self.columns)

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return what :meth:`to_json` was made of."""
        columns = []
        for column in content["columns"]:
            codes = column["categories"]
            categories = None if codes is None else CategoryCodes(**codes)
            columns.append(InputColumn(**(column | {"categories": categories})))
        return cls(tuple(columns))
