"""The rows that a request may hold: their validation, derived from the data schema.

The validator is built of the parts of pydantic's core, which checks almost all values
in compiled code, while it reads the JSON.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from src.data.marks import MISSING_MARKS
from src.data.schema import ColumnSchema, DataSchema
from src.serving.values import read_boolean, read_date, read_text

Row = dict[str, Any]
Problem = dict[str, Any]
UnknownCategories = Literal["answer", "refuse"]

MAX_FOUND_CHARACTERS = 60
# Beyond, forests of scikit-learn, which compare in single precision, answer nothing.
MAX_NUMBER = 3.4028234663852886e38
# Of texts that are no mark of a missing value; as JavaScript reads patterns, too.
PRESENT = rf"^(?!\s*({'|'.join(MISSING_MARKS).replace('?', '[?]')})\s*$)"
MAX_INTEGER = 2.0**63 - 1024  # the largest one that floating point holds, below 2**63


class InvalidRequest(Exception):
    """A request holds values that the model cannot be asked about."""

    def __init__(self, problems: list[Problem]) -> None:
        """Take what is wrong, value by value: column, problem, and the row of many."""
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class RowReader:
    """Reads the rows of a request, and says what is wrong with them.

    Columns that the schema knows and the model does not use, the target among them,
    may be there and are not looked at, so that rows of a file can be sent as they are;
    any other name is refused, as it is most likely a slip.

    Attributes:
        schema: The data contract.
        columns: What checks one value, by the column.
    """

    def __init__(
        self, schema: DataSchema, unknown_categories: UnknownCategories, max_rows: int
    ) -> None:
        """Build the validators.

        Args:
            schema: The data contract that the model was trained under.
            unknown_categories: Whether a category that the schema does not list is
                answered, as the model can, or refused.
            max_rows: How many rows a request may hold.
        """
        self.schema = schema
        self._refuses_unknown = unknown_categories == "refuse"
        values = {
            name: self._value(schema.columns[name], self._refuses_unknown)
            for name in schema.features
        }
        self.columns = {name: SchemaValidator(value) for name, value in values.items()}
        row = core_schema.typed_dict_schema(
            {name: self._field(name, value) for name, value in values.items()}
            | {
                name: core_schema.typed_dict_field(
                    core_schema.any_schema(), required=False
                )
                for name in schema.columns
                if name not in values
            },
            extra_behavior="forbid",
        )
        rows = core_schema.list_schema(row, min_length=1, max_length=max_rows)
        self._one, self._many = SchemaValidator(row), SchemaValidator(rows)

    def read(self, body: bytes) -> list[Row]:
        """Return the rows of a body in JSON: one object, or a list of them.

        Returns:
            For each row a value for each feature, None if missing: numbers, booleans,
            text without blanks around it, and dates in UTC.

        Raises:
            InvalidRequest: If any value cannot be used; it names them all.
        """
        many = body.lstrip()[:1] == b"["
        try:
            if many:
                rows: list[Row] = self._many.validate_json(body)
                return rows
            return [self._one.validate_json(body)]
        except ValidationError as error:
            raise InvalidRequest(_problems(error, many)) from None

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of a row."""
        features = self.schema.features
        optional = {n for n in features if self._optional(n)}
        return {
            "title": "Row",
            "type": "object",
            "properties": {
                name: _described(
                    self.schema.columns[name], name in optional, self._refuses_unknown
                )
                for name in features
            },
            "required": [name for name in features if name not in optional],
            "additionalProperties": False,
        }

    def _optional(self, name: str) -> bool:
        """Return whether a column may be missing."""
        return self.schema.columns[name].max_missing > 0

    def _field(self, name: str, value: CoreSchema) -> core_schema.TypedDictField:
        """Return a column as a part of a row."""
        if self._optional(name):
            value = core_schema.with_default_schema(value, default=None)
        return core_schema.typed_dict_field(value)

    @staticmethod
    def _value(column: ColumnSchema, refuses_unknown: bool) -> CoreSchema:
        """Return what checks a value of ``column``."""
        optional = column.max_missing > 0
        checked: CoreSchema
        match column.type:
            case "integer" | "number":
                checked = _number(column)
            case "boolean":
                checked = core_schema.union_schema(
                    [
                        core_schema.bool_schema(strict=True),
                        _read_by(read_boolean, optional),
                    ],
                    mode="left_to_right",
                )
            case "date":
                checked = _read_by(_date_reader(column), optional)
            case "category":
                checked = _category(column, refuses_unknown)
        return core_schema.nullable_schema(checked) if optional else checked


def _number(column: ColumnSchema) -> CoreSchema:
    """Return what checks a number: no text, no true or false, within the limits."""
    low, high = limits(column)
    number = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=low, le=high)
    if column.type == "number":
        return number
    return core_schema.chain_schema([number, core_schema.int_schema()])


def limits(column: ColumnSchema) -> tuple[float, float]:
    """Return the lowest and the highest number that a column may hold."""
    most = MAX_INTEGER if column.type == "integer" else MAX_NUMBER
    low, high = column.min, column.max
    return (
        -most if low is None or isinstance(low, datetime) else max(low, -most),
        most if high is None or isinstance(high, datetime) else min(high, most),
    )


def _category(column: ColumnSchema, refuses_unknown: bool) -> CoreSchema:
    """Return what checks a category; listed values are found in compiled code."""
    values = column.values or []

    def read(value: object) -> str | None:
        text = read_text(value)
        if refuses_unknown and values and text is not None and text not in values:
            raise ValueError(f"Input should be one of {', '.join(values)}")
        return text

    checked = _read_by(read, column.max_missing > 0)
    listed = [value for value in values if read_text(value) == value]
    if not listed:
        return checked
    return core_schema.union_schema(
        [core_schema.literal_schema(listed), checked], mode="left_to_right"
    )


def _date_reader(column: ColumnSchema) -> Callable[[object], datetime | None]:
    """Return what reads a date and holds it against the limits."""
    low, high = column.min, column.max

    def read(value: object) -> datetime | None:
        date = read_date(value, column.format)
        if date is None:
            return None
        if isinstance(low, datetime) and date < low:
            raise ValueError(f"Input should not be before {low}")
        if isinstance(high, datetime) and date > high:
            raise ValueError(f"Input should not be after {high}")
        return date

    return read


def _read_by(read: Callable[[object], Any], optional: bool) -> CoreSchema:
    """Return a check by a function, which returns None for a missing value."""

    def checked(value: object) -> Any:
        try:
            found = read(value)
        except ValueError as error:
            raise PydanticCustomError("value", "{rule}", {"rule": str(error)}) from None
        if found is None and not optional:
            raise PydanticCustomError("missing_value", "Input should not be missing")
        return found

    return core_schema.no_info_plain_validator_function(checked)


def _problems(error: ValidationError, many: bool) -> list[Problem]:
    """Return the errors of pydantic as row, column, problem and what was found."""
    problems: list[Problem] = []
    for detail in error.errors(include_url=False, include_context=False):
        if detail["type"] == "literal_error" or detail["loc"][-1:] == ("bool",):
            continue  # of two ways to read a value, the last one says what is wrong
        where = list(detail["loc"])
        problem: Problem = {}
        if many and where:
            problem["row"] = where.pop(0)
        if where:
            problem["column"] = where[0]
        problem["problem"] = detail["msg"]
        found = detail["input"]
        if detail["loc"] and isinstance(found, bool | int | float | str):
            problem["found"] = repr(found)[:MAX_FOUND_CHARACTERS]
        problems.append(problem)
    return problems


def problem_text(error: ValidationError) -> str:
    """Return what is wrong with one value, from the error of its validator."""
    problem: str = _problems(error, many=False)[0]["problem"]
    return problem


def _described(
    column: ColumnSchema, optional: bool, refuses_unknown: bool
) -> dict[str, Any]:
    """Return the JSON schema of a column."""
    content: dict[str, Any] = {}
    match column.type:
        case "integer" | "number":
            low, high = limits(column)
            content = {"type": column.type, "minimum": low, "maximum": high}
            if column.type == "integer":
                content |= {"minimum": int(low), "maximum": int(high)}
        case "boolean":
            content = {"type": "boolean"}
        case "date":
            content = {"type": "string"}
            if column.format is None:
                content["format"] = "date"
            else:
                content["pattern"] = "."
        case "category":
            content = {"type": "string"}
            if column.values and refuses_unknown:
                content["enum"] = [*column.values, *([None] if optional else [])]
            elif column.values:
                content["examples"] = column.values
            if "enum" not in content and not optional:
                content["pattern"] = PRESENT
    if optional:
        content["type"] = [content["type"], "null"]
    description = [column.description] if column.description else []
    if column.type == "date":
        ends = (("from", column.min), ("to", column.max))
        described = [f"{word} {limit}" for word, limit in ends if limit is not None]
        written = column.format or "ISO 8601"
        description.append(" ".join([f"A date as {written}", *described]) + ".")
    if description:
        content["description"] = " ".join(description)
    return content
