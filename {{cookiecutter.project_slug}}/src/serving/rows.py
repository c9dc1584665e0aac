"""The rows that a request may hold: a pydantic model derived from the data schema."""

from collections.abc import Callable
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    create_model,
    model_validator,
)

from src.data.schema import ColumnSchema, DataSchema

UnknownCategories = Literal["answer", "refuse"]
MANY, ONE = "rows", "row"


class Row(BaseModel):
    """What rows of every schema share.

    Columns that the schema knows and the model does not use, the target among them,
    may be there and are not looked at, so that rows of a file can be sent as they are;
    any other name is refused, as it is most likely a slip.
    """

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True, title="Row"
    )
    unused: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_unused(cls, row: Any) -> Any:
        """Leave out the columns that the model does not use."""
        if not isinstance(row, dict):
            return row
        return {name: value for name, value in row.items() if name not in cls.unused}


def row_model(schema: DataSchema, unknown_categories: UnknownCategories) -> type[Row]:
    """Return the model of one row.

    A column that the schema allows to be empty may be null or left out. Numbers must
    lie within the limits of the schema.

    Args:
        schema: The data contract that the model was trained under.
        unknown_categories: Whether a category that the schema does not list is
            answered, as the model can, or refused.

    Returns:
        A class whose fields carry the names of the columns as aliases, because a
        column may have a name that no attribute can have.
    """
    fields: dict[str, Any] = {}
    for number, name in enumerate(schema.features):
        column = schema.columns[name]
        optional = column.max_missing > 0
        kind = _type_of(column, unknown_categories)
        fields[f"column_{number}"] = (
            kind | None if optional else kind,
            Field(
                default=None if optional else ...,
                alias=name,
                description=column.description or None,
                examples=column.values,
            ),
        )
    model = create_model("Row", __base__=Row, **fields)
    model.unused = frozenset(schema.columns) - frozenset(schema.features)
    return model


def body_model(row: type[Row], max_rows: int) -> type[RootModel[Any]]:
    """Return the model of a request: one row, or a list of at most ``max_rows``.

    Which of the two is meant is told by the JSON type, so that an error is about that
    one alone.
    """
    return create_model(
        "OneRowOrMany", __base__=RootModel, root=(_either(row, max_rows), ...)
    )


def _either(row: type[Row], max_rows: int) -> Any:
    """Return the type of one row or a list of rows."""
    rows: Any = GenericAlias(list, (row,))
    return Annotated[
        Annotated[row, Tag(ONE)]
        | Annotated[rows, Field(min_length=1, max_length=max_rows), Tag(MANY)],
        Discriminator(lambda body: MANY if isinstance(body, list) else ONE),
    ]


def _type_of(column: ColumnSchema, unknown_categories: UnknownCategories) -> Any:
    """Return the annotation of a value of ``column``."""
    limits = Field(ge=column.min, le=column.max)
    match column.type:
        case "integer":
            return Annotated[int, limits, BeforeValidator(_number)]
        case "number":
            return Annotated[float, limits, BeforeValidator(_number)]
        case "boolean":
            return bool
        case "date":
            written = column.format or "ISO 8601"
            return Annotated[str, Field(description=f"a date as {written}")]
        case _:  # a category
            text = Annotated[str, BeforeValidator(_code)]
            if unknown_categories == "refuse" and column.values is not None:
                return Annotated[text, AfterValidator(_one_of(column.values))]
            return text


def _number(value: Any) -> Any:
    """Refuse text and true/false, which pydantic would read as numbers."""
    if isinstance(value, bool | str):
        raise ValueError("Input should be a number")
    return value


def _code(value: Any) -> Any:
    """Return a whole number without decimals, as the data are read: 3.0 is "3"."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_of(values: list[str]) -> Callable[[str], str]:
    """Return a check that a text, blanks around it aside, is one of ``values``."""

    def check(text: str) -> str:
        if text.strip() not in values:
            raise ValueError(f"Input should be one of {', '.join(values)}")
        return text

    return check
