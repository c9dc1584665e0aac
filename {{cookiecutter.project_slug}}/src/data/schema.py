"""The data contract: which columns there are, and what they hold.

``config/data_schema.yaml`` is inferred once from the data (``src/data/inference.py``),
then reviewed, committed and used by everything that touches the data, also where no
data frame is: this module imports no library for them.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, NaiveDatetime, ValidationError, model_validator

from src.utils.config import Section, Settings, Task, describe, read_yaml
from src.utils.errors import ConfigError
from src.utils.files import write_text

ColumnType = Literal["integer", "number", "category", "boolean", "date"]
Role = Literal["feature", "target", "ignored"]
Limit = int | float | NaiveDatetime

# The types that a target may have. A class is a label even where it is a number.
TARGET_TYPES: dict[Task, tuple[ColumnType, ...]] = {
    "classification": ("category",),
    "regression": ("number", "integer"),
}

HEADER = """\
# The data contract. Review it, correct it, commit it; src/data/schema.py reads it.
#
# sensitive    beside columns: a list of those whose groups are reported on
# type         integer, number, category, boolean, date
# role         feature (if not said), target, ignored
# format       how dates are written (strptime); ISO 8601 if not said
# max_missing  the share of rows without a value that is still acceptable
# unique       no value occurs twice
# min, max     the limits of numbers and dates, themselves allowed
# values       the allowed values of a category
"""


class ColumnSchema(Section):
    """What one column holds, and what is acceptable in it."""

    type: ColumnType
    role: Role = "feature"
    description: str = ""
    format: str | None = None
    max_missing: float = Field(default=0.0, ge=0, le=1)
    unique: bool = False
    min: Limit | None = None
    max: Limit | None = None
    values: list[str] | None = None

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Self:
        """Refuse a rule that the type of the column gives no meaning to."""
        if self.values is not None and self.type != "category":
            raise ValueError(f"values need type category, not {self.type}")
        if self.format is not None and self.type != "date":
            raise ValueError(f"format needs type date, not {self.type}")
        for limit in (self.min, self.max):
            if limit is None:
                continue
            if self.type not in ("integer", "number", "date"):
                raise ValueError(f"min and max mean nothing for type {self.type}")
            if isinstance(limit, datetime) != (self.type == "date"):
                raise ValueError(f"limit {limit} does not fit type {self.type}")
        return self


class DataSchema(Section):
    """The columns of a data set, in order."""

    name: str
    description: str = ""
    sensitive: list[str] = []
    columns: dict[str, ColumnSchema]

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        """Refuse a schema without one target, a feature, or a sensitive column."""
        targets = [n for n, c in self.columns.items() if c.role == "target"]
        if len(targets) != 1:
            raise ValueError(f"one column with role target is needed, not {targets}")
        if not self.features:
            raise ValueError("at least one column with role feature is needed")
        unknown = [name for name in self.sensitive if name not in self.columns]
        if unknown:
            raise ValueError(f"sensitive names columns that do not exist: {unknown}")
        return self

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return next(n for n, c in self.columns.items() if c.role == "target")

    @property
    def features(self) -> list[str]:
        """The columns that a model may see, in order."""
        return [n for n, c in self.columns.items() if c.role == "feature"]

    @property
    def used(self) -> list[str]:
        """The columns of processed rows, in order: all but the ignored ones.

        A sensitive column is kept even if ignored: no model sees it, but evaluation
        measures by it.
        """
        return [
            name
            for name, column in self.columns.items()
            if column.role != "ignored" or name in self.sensitive
        ]

    def features_of(self, *kinds: ColumnType) -> list[str]:
        """Return the features of any of the types ``kinds``, in order."""
        return [n for n in self.features if self.columns[n].type in kinds]


def load_schema(path: Path, settings: Settings | None = None) -> DataSchema:
    """Read the data contract.

    Args:
        path: A YAML file as ``write_schema`` writes it.
        settings: If given, the target of the schema must be theirs, and fit the task.

    Returns:
        The validated schema.

    Raises:
        ConfigError: If the file is missing or a key of it is not valid.
    """
    if not path.exists():
        raise ConfigError(f"{path}: file not found; run `make data` to infer it")
    try:
        schema = DataSchema.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(_one_line(error, path)) from None
    if settings is not None:
        _check_target(schema, path, settings)
    return schema


def write_schema(schema: DataSchema, path: Path) -> None:
    """Write ``schema`` as YAML that a person can review, defaults left out."""
    content = schema.model_dump(exclude_defaults=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=80)
    write_text(path, f"{HEADER}\n{text}")


def _check_target(schema: DataSchema, path: Path, settings: Settings) -> None:
    """Raise ConfigError unless the target is the configured one and fits the task."""
    wanted, found = settings.data.target, schema.target
    if found != wanted:
        raise ConfigError(
            f"{path}: the target is {found!r}, but data.target in "
            f"config/pipeline_config.yaml is {wanted!r}; make the two agree"
        )
    kind, allowed = schema.columns[found].type, TARGET_TYPES[settings.task]
    if kind not in allowed:
        raise ConfigError(
            f"{path}: columns.{found}.type: found {kind!r}, expected "
            f"{' or '.join(allowed)} for the task {settings.task} of "
            "config/pipeline_config.yaml"
        )


def _one_line(error: ValidationError, path: Path) -> str:
    """Describe what is wrong with a schema; rules of our own speak for themselves."""
    own: Sequence[Any] = [d for d in error.errors() if d["type"] == "value_error"]
    if not own:
        return describe(error, DataSchema, {}, str(path))
    where = ".".join(str(part) for part in own[0]["loc"])
    return f"{path}: {where + ': ' if where else ''}{own[0]['ctx']['error']}"
