"""What a request holds and an answer says. Its values are read as training reads those
of a file (``src/data/values.py``)."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, Field, StrictBool, Tag
from pydantic.json_schema import SkipJsonSchema

from src.data.schema import ColumnSchema, DataSchema
from src.data.values import MISSING_VALUES, NUMERIC, read_value

Row = dict[str, Any]  # the value of each feature, None if missing
MAX_PROBLEMS = 100
# Of texts that are no word for a missing value, as JSON Schema has patterns.
PRESENT = rf"^(?!\s*({'|'.join(MISSING_VALUES).replace('?', '[?]')})\s*$)"
TYPES = {"integer": int, "number": float, "category": str, "boolean": StrictBool}


class Prediction(BaseModel):
    """The answer to one row; unknown are columns with a category that is not listed."""

    prediction: str | float
    probabilities: dict[str, float] | None = None
    unknown: list[str]


class Predictions(BaseModel):
    """The answers, in the order of the rows."""

    model_version: str
    predictions: list[Prediction]


def row_model(schema: DataSchema) -> type[BaseModel]:
    """Return the model of a row: a field for each feature of the data schema. Its other
    columns may be there, so that rows of a file can be sent; other names are slips."""
    fields: dict[str, Any] = {}
    hidden = Annotated[Any, SkipJsonSchema()]
    for number, (name, column) in enumerate(schema.columns.items()):
        is_target = column.role == "target"
        unused = hidden, Field(default=None, alias=name, exclude=is_target)
        field = field_of(name, column) if column.role == "feature" else unused
        # Names of columns need not be names of Python: they are aliases.
        fields[f"column_{number}"] = field
    rules = pydantic.ConfigDict(extra="forbid")
    return pydantic.create_model("Row", __config__=rules, __doc__=schema.name, **fields)


def body_type(row: type[BaseModel], max_rows: int) -> Any:
    """Return the type of a body: one row, or a list of them."""
    limits = Field(min_length=1, max_length=max_rows)
    many = list[row]  # type: ignore[valid-type]  # made at run time
    # What is wrong is then said of the one or the other, not of both.
    return Annotated[
        Annotated[row, Tag("row")] | Annotated[many, limits, Tag("rows")],
        pydantic.Discriminator(lambda it: "rows" if isinstance(it, list) else "row"),
    ]


def values_of(rows: BaseModel | Sequence[BaseModel]) -> list[Row]:
    """Return the values of a validated body by the names of their columns."""
    many = [rows] if isinstance(rows, BaseModel) else rows
    return [row.model_dump(by_alias=True) for row in many]


def problems_of(errors: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what pydantic found, without the values: NaN cannot be written in JSON."""
    keys = ("loc", "msg", "type")
    return [{key: error[key] for key in keys} for error in errors[:MAX_PROBLEMS]]


def field_of(name: str, column: ColumnSchema) -> Any:
    """Return the type of a column, and its name, limits and description."""
    kind: Any = TYPES.get(column.type, datetime)
    options: dict[str, Any] = {"alias": name, "title": name, "examples": column.values}
    options |= {"ge": column.min, "le": column.max, "description": column.description}
    if column.format and column.type in NUMERIC:
        options["description"] += f" In a text, 1234.5 is {column.format}."
    elif column.format:
        kind = Annotated[kind, pydantic.WithJsonSchema({"type": "string"})]
        options["description"] += f" A date as {column.format}."
    elif column.type == "category" and not column.max_missing:
        options["json_schema_extra"] = {"pattern": PRESENT}
    if column.max_missing > 0:
        kind, options["default"] = kind | None, None
    read = pydantic.BeforeValidator(partial(_read, column))
    return Annotated[kind, read], Field(**options)


def _read(column: ColumnSchema, value: Any) -> Any:
    """Return a value as training reads it; whether it fits is for the type to say."""
    found = read_value(value, column)
    if found is None and not column.max_missing:
        raise ValueError("a value is needed")
    return found
