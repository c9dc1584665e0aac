"""The data contract, ``config/data_schema.yaml``: which columns there are, and what
they hold. It is inferred once (``scripts/infer_schema.py``), then reviewed, committed
and used by everything that touches the data."""

from datetime import datetime
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, NaiveDatetime, model_validator

from src.data.values import NUMBER_FORMAT, NUMERIC
from src.utils.config import Section, Settings, Task, read_settings
from src.utils.errors import ConfigError
from src.utils.files import write_text

ColumnType = Literal["integer", "number", "category", "boolean", "date"]
Limit = int | float | NaiveDatetime

# The types that a target may have. A class is a label even where it is a number.
TARGET_TYPES: dict[Task, tuple[ColumnType, ...]] = {
    "classification": ("category",),
    "regression": ("number", "integer"),
}

HEADER = "# The data contract: review it, commit it. src/data/schema.py lists the keys."


class ColumnSchema(Section):
    """What one column holds, and what is acceptable in it."""

    type: ColumnType
    role: Literal["feature", "target", "ignored"] = "feature"
    description: str = ""
    no_leak: str = ""  # how it is known before the target that it alone predicts
    # Of dates, for strptime (if not ISO 8601); the number 1234.5, such as "1.234,5 €".
    format: str | None = None
    missing: list[str] = []  # what else stands for "no value"
    check: str = ""  # what is doubtful: said at every run until somebody removes it
    max_missing: float = Field(default=0.0, ge=0, le=1)  # the share that is acceptable
    unique: bool = False  # no value occurs twice
    min: Limit | None = None  # of numbers and dates, itself allowed
    max: Limit | None = None
    values: list[str] | None = None  # of a category

    @model_validator(mode="after")
    def _rules_fit_type(self) -> Self:
        if self.values is not None and self.type != "category":
            raise ValueError(f"values is for type category, not {self.type}")
        if self.format is not None and self.type not in ("date", *NUMERIC):
            raise ValueError(f"format is for dates and numbers, not {self.type}")
        numeric = self.format if self.type in NUMERIC else None
        if numeric is not None and not NUMBER_FORMAT.fullmatch(numeric):
            example = "the number 1234.5 as the column has it, such as 1.234,5"
            raise ValueError(f"format {numeric!r}: expected {example}")
        for limit in (self.min, self.max):
            kinds = ("date",) if isinstance(limit, datetime) else NUMERIC
            if limit is not None and self.type not in kinds:
                raise ValueError(f"limit {limit} does not fit type {self.type}")
        return self


class DataSchema(Section):
    """The columns of a data set, in order."""

    name: str
    description: str = ""
    sensitive: list[str] = []  # whose groups are reported on
    group_column: str | None = None  # rows with one value are all test rows, or none is
    time_columns: list[str] = []  # when a row was: the last ones are the test rows
    positive_class: str | None = None  # of two; the rarer one if it is not said
    columns: dict[str, ColumnSchema]

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        targets = [n for n, c in self.columns.items() if c.role == "target"]
        if len(targets) != 1:
            raise ValueError(f"one column with role target is needed, not {targets}")
        if not self.features:
            raise ValueError("at least one column with role feature is needed")
        if unknown := [name for name in self._named if name not in self.columns]:
            raise ValueError(f"columns that do not exist are named: {unknown}")
        kinds = {name: self.columns[name].type for name in self.time_columns}
        if {*kinds.values()} - {"integer", "number", "date"}:
            raise ValueError(f"time_columns are numbers or dates, not {kinds}")
        return self

    @property
    def split_by(self) -> str:
        """What test rows are told by, in words."""
        if self.time_columns:
            return f"time ({', '.join(self.time_columns)})"
        return f"group ({self.group_column})" if self.group_column else "row"

    @property
    def _named(self) -> list[str]:
        return [*self.sensitive, *filter(None, [self.group_column]), *self.time_columns]

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
        """The columns of processed rows: features, target, and those named above."""
        used = {self.target, *self.features, *self._named}
        return [name for name in self.columns if name in used]


def load_schema(path: Path, settings: Settings | None = None) -> DataSchema:
    """Read the data contract; its target must suit the settings, if given."""
    if not path.exists():
        raise ConfigError(f"{path}: file not found; run `make data` to infer it")
    schema = read_settings(DataSchema, [path])
    if settings is None:
        return schema
    found, kind = schema.target, schema.columns[schema.target].type
    wanted, kinds = settings.data.target, TARGET_TYPES[settings.task]
    if found != wanted or kind not in kinds:
        raise ConfigError(
            f"{path}: found target {found!r} of type {kind}, expected {wanted!r} of "
            f"type {' or '.join(kinds)}, for data.target and task {settings.task} of "
            "config/pipeline_config.yaml; make the two agree"
        )
    return schema


def write_schema(schema: DataSchema, path: Path) -> None:
    """Write ``schema`` as YAML that a person can review, defaults left out."""
    content = schema.model_dump(exclude_defaults=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=80)
    write_text(path, f"{HEADER}\n\n{text}")
