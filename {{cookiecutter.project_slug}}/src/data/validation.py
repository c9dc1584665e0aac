"""Checking data against the data schema."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from src.data.columns import Column, as_text, to_schema_types
from src.data.schema import NONE_WORDS, ColumnSchema, DataSchema
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import sha256_of, write_json

REPORT_NAME = "data_validation.json"


@dataclass(frozen=True)
class Violation:
    """A rule of the schema that a column breaks."""

    column: str
    rule: str
    count: int
    examples: list[dict[str, Any]]
    rows: list[int] = field(default_factory=list)  # which to set aside would mend it

    def __str__(self) -> str:
        examples = ", ".join(f"row {e['row']} {e['value']!r}" for e in self.examples)
        where = f" ({examples})" if examples else ""
        return f"column {self.column!r} breaks {self.rule} in {self.count} rows{where}"


def validate(
    path: Path, raw: pd.DataFrame, schema: DataSchema, settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the typed rows that keep the contract, and the others, as they were read.

    DataError if ``on_violation`` does not set them aside, or that leaves no valid data.
    """
    rules = settings.validation
    violations = find_violations(raw, schema, rules.max_examples)
    report: dict[str, Any] = {"file": path.name, "sha256": sha256_of(path)}
    report |= {"rows": len(raw), "valid": not violations}
    keys = ("column", "rule", "count", "examples")
    report["violations"] = [{key: getattr(v, key) for key in keys} for v in violations]
    write_json(settings.paths.reports / REPORT_NAME, report)
    of_columns = [violation for violation in violations if not violation.rows]
    reasons = pd.Series("", raw.index)
    for violation in violations:
        reasons[violation.rows] += f"; {violation.column}: {violation.rule}"
    bad = reasons != ""
    if of_columns or bad.all() or (bad.any() and rules.on_violation == "fail"):
        shown = "; ".join(map(str, (of_columns or violations)[: rules.max_examples]))
        advice = "correct the data or the data schema"
        if bad.all():
            advice = f"no row keeps the data schema; {advice}"
        elif not of_columns:
            advice += ", or set validation.on_violation to quarantine"
        raise DataError(f"{path}: {len(violations)} broken rules: {shown}; {advice}")
    notes = pd.DataFrame({"row": raw.index + 1, "violations": reasons.str[2:]})
    set_aside = pd.concat([notes[bad], raw[bad]], axis="columns")
    return to_schema_types(raw[~bad], schema), set_aside


def find_violations(
    raw: pd.DataFrame, schema: DataSchema, max_examples: int
) -> list[Violation]:
    """Return every rule that rows from ``read_table`` break, with some examples."""
    typed = to_schema_types(raw, schema)
    absent = [name for name in schema.used if name not in typed]
    rule = "presence: the column is absent"
    violations = [Violation(name, rule, len(raw), []) for name in absent]
    for name in typed.columns:
        for rule, where in _rules(schema.columns[name], raw[name], typed[name]).items():
            rows, values = raw.index[where].tolist(), raw[name][where]
            examples = [
                {"row": row + 1, "value": None if pd.isna(value) else str(value)}
                for row, value in zip(rows[:max_examples], values, strict=False)
            ]
            blamed = [] if rule.startswith("max_missing") else rows
            if rows:
                violations.append(Violation(name, rule, len(rows), examples, blamed))
    return violations


def _rules(column: ColumnSchema, raw: Column, values: Column) -> dict[str, Column]:
    """Return where the values of a column break which of its rules."""
    text = as_text(raw)
    unread = text.notna() & ~text.isin(NONE_WORDS) & values.isna()
    rules = {f"type {column.type}": unread}
    if column.type == "integer":
        rules["type integer, no fractions"] = values % 1 > 0
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
