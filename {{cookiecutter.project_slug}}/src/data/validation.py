"""Checking data against the data schema."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from src.data.columns import Column, as_text, to_schema_types
from src.data.schema import ColumnSchema, DataSchema
from src.data.values import NONE_WORDS
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import sha256_of, write_json

REPORT_NAME = "data_validation.json"
MAX_EXAMPLES = 5


@dataclass(frozen=True)
class Violation:
    """A rule of the schema that a column breaks."""

    column: str
    rule: str
    count: int
    examples: list[dict[str, Any]]

    def __str__(self) -> str:
        examples = ", ".join(f"row {e['row']} {e['value']!r}" for e in self.examples)
        where = f" ({examples})" if examples else ""
        return f"column {self.column!r} breaks {self.rule} in {self.count} rows{where}"


def validate(
    path: Path, raw: pd.DataFrame, schema: DataSchema, settings: Settings
) -> pd.DataFrame:
    """Return the typed rows, and write a report; DataError if they break a rule."""
    violations = find_violations(raw, schema)
    found = {"valid": not violations, "violations": [asdict(v) for v in violations]}
    report = {"file": path.name, "sha256": sha256_of(path), "rows": len(raw), **found}
    write_json(settings.paths.reports / REPORT_NAME, report)
    if violations:
        shown = "; ".join(map(str, violations[:MAX_EXAMPLES]))
        advice = "correct the data or the data schema"
        raise DataError(f"{path}: {len(violations)} broken rules: {shown}; {advice}")
    return to_schema_types(raw, schema)


def find_violations(raw: pd.DataFrame, schema: DataSchema) -> list[Violation]:
    """Return every rule that rows from ``read_table`` break, with some examples."""
    typed = to_schema_types(raw, schema)
    rule, count = "presence: the column is absent", len(raw)
    violations = [Violation(n, rule, count, []) for n in schema.used if n not in typed]
    for name in typed.columns:
        for rule, where in broken(schema.columns[name], raw[name], typed[name]).items():
            found = raw[name][where].head(MAX_EXAMPLES)
            examples = [
                {"row": row + 1, "value": None if pd.isna(value) else str(value)}
                for row, value in zip(found.index.tolist(), found, strict=True)
            ]
            if examples:
                violations.append(Violation(name, rule, int(where.sum()), examples))
    return violations


def broken(column: ColumnSchema, raw: Column, values: Column) -> dict[str, Column]:
    """Return where the values of a column break which of its rules."""
    text = as_text(raw, column.missing)
    unread = text.notna() & ~text.isin(NONE_WORDS) & values.isna()
    rules = {f"type {column.type}": unread}
    if column.type == "integer":
        rules["type integer, no fractions"] = values % 1 > 0
        rules[f"type integer, up to {2**53}"] = values.abs() > 2**53  # is then exact
    if column.min is not None:
        rules[f"min {column.min}"] = values < column.min
    if column.max is not None:
        rules[f"max {column.max}"] = values > column.max
    if column.values is not None:
        rules[f"values {column.values}"] = values.notna() & ~values.isin(column.values)
    if column.unique:
        rules["unique"] = values.notna() & values.duplicated()
    gaps = values.isna() & ~unread
    if gaps.mean() > column.max_missing:
        rules[f"max_missing {column.max_missing} (found {gaps.mean():.3f})"] = gaps
    return rules
