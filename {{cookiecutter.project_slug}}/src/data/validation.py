"""Holding the data against the data schema, with pandera.

Run as a command, it says whether the ingested data keep the contract, and writes
``reports/data_validation.json``::

    python src/data/validation.py --config config/pipeline_config.yaml
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from src.data.coercion import coerce
from src.data.columns import Column, unreadable
from src.data.ingestion import raw_file
from src.data.schema import ColumnSchema, DataSchema, load_schema
from src.data.tables import read_table
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import sha256_of, write_json

REPORT_NAME = "data_validation.json"
SHOWN_VIOLATIONS = 5
OnViolation = Literal["fail", "quarantine"]


@dataclass(frozen=True)
class Violation:
    """A rule of the schema that the data break.

    Attributes:
        column: The column.
        rule: What the schema asks for, such as ``max 90``.
        count: How many rows break it.
        examples: Rows, counted from 1 below the header, and what they hold.
        rows: The positions of the rows that could be set aside to mend it; none where
            the column as a whole breaks the rule.
    """

    column: str
    rule: str
    count: int
    examples: list[dict[str, Any]]
    rows: list[int] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        """Name column, rule, count and example rows."""
        examples = ", ".join(f"row {e['row']} {e['value']!r}" for e in self.examples)
        where = f" ({examples})" if examples else ""
        return f"column {self.column!r} breaks {self.rule} in {self.count} rows{where}"

    def report(self) -> dict[str, Any]:
        """Return the violation as the JSON report shows it."""
        shown = ("column", "rule", "count", "examples")
        return {name: getattr(self, name) for name in shown}


@dataclass(frozen=True)
class Validated:
    """Data that were held against the schema.

    Attributes:
        frame: The rows that keep it, with the types of the schema.
        quarantined: The other rows as they were read, led by ``row`` and
            ``violations``.
        violations: What the quarantined rows break.
    """

    frame: pd.DataFrame
    quarantined: pd.DataFrame
    violations: list[Violation]


def validate_file(
    path: Path, raw: pd.DataFrame, schema: DataSchema, settings: Settings
) -> Validated:
    """Hold a file against the schema, and write what was found to the reports.

    Args:
        path: A CSV or Parquet file.
        raw: Its rows, as ``read_table`` gives them.
        schema: The data contract.
        settings: What to do about violations, and where the reports are.

    Returns:
        The rows that keep the contract, and those that do not.

    Raises:
        DataError: As ``enforce`` says.
    """
    rules = settings.validation
    violations = find_violations(raw, schema, rules.max_examples)
    report = {
        "file": path.name,
        "sha256": sha256_of(path),
        "rows": len(raw),
        "valid": not violations,
        "violations": [violation.report() for violation in violations],
    }
    write_json(settings.paths.reports / REPORT_NAME, report)
    try:
        return enforce(raw, schema, violations, rules.on_violation)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def enforce(
    raw: pd.DataFrame,
    schema: DataSchema,
    violations: list[Violation],
    on_violation: OnViolation,
) -> Validated:
    """Fail because of violations, or set the offending rows aside.

    Args:
        raw: Rows as ``read_table`` gives them, with an index from 0.
        schema: The data contract.
        violations: What ``find_violations`` found in them.
        on_violation: Fail or quarantine.

    Returns:
        The rows that keep the contract, and those that do not.

    Raises:
        DataError: If rules are broken and the settings say to fail, or no row can be
            blamed for it, or none is left.
    """
    as_a_whole = [violation for violation in violations if not violation.rows]
    if as_a_whole:
        raise DataError(f"{_summary(as_a_whole)}; correct the data or the data schema")
    if violations and on_violation == "fail":
        raise DataError(
            f"{_summary(violations)}; correct the data or the data schema, or set "
            "validation.on_violation to quarantine"
        )
    reasons: dict[int, list[str]] = {}
    for violation in violations:
        for row in violation.rows:
            reason = f"{violation.column}: {violation.rule}"
            reasons.setdefault(row, []).append(reason)
    bad = raw.index.isin(list(reasons))
    if bad.all():
        raise DataError(f"no row keeps the data schema: {_summary(violations)}")
    quarantined = raw[bad].copy()
    texts = ["; ".join(reasons[row]) for row in quarantined.index]
    quarantined.insert(0, "violations", texts, allow_duplicates=True)
    quarantined.insert(0, "row", quarantined.index + 1, allow_duplicates=True)
    return Validated(coerce(raw[~bad], schema), quarantined, violations)


def find_violations(
    raw: pd.DataFrame, schema: DataSchema, max_examples: int
) -> list[Violation]:
    """Return every rule of the schema that the data break.

    Args:
        raw: Rows as ``read_table`` gives them, with an index from 0.
        schema: The data contract.
        max_examples: How many offending rows each violation shows.

    Returns:
        The violations; empty if the data are valid.
    """
    typed = coerce(raw, schema)
    unread = {name: unreadable(raw[name], typed[name]) for name in typed.columns}
    try:
        contract(schema, unread).validate(typed, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
    else:
        return []
    absent = cases.loc[cases["check"] == "column_in_dataframe", "failure_case"]
    violations = [
        Violation(str(name), "presence: the column is absent", len(raw), [])
        for name in absent
    ]
    broken = cases[cases["check"] != "column_in_dataframe"]
    for (name, rule), group in broken.groupby(["column", "check"], sort=False):
        if group["index"].isna().all():
            gaps = typed[name].isna() & ~unread[name]
            rule = f"{rule} (found {gaps.mean():.3f})"
            rows, movable = raw.index[gaps].tolist(), False
        else:
            rows, movable = sorted(int(row) for row in group["index"]), True
        shown = raw[name].loc[rows[:max_examples]]
        examples = [
            {"row": row + 1, "value": None if pd.isna(value) else str(value)}
            for row, value in zip(rows[:max_examples], shown, strict=True)
        ]
        violations.append(
            Violation(str(name), rule, len(rows), examples, rows if movable else [])
        )
    return violations


def contract(schema: DataSchema, unread: Mapping[str, Column]) -> pa.DataFrameSchema:
    """Return the data schema as one of pandera, for typed rows.

    Args:
        schema: The data contract. Columns that nothing uses may be absent.
        unread: For each column of the rows, where it held a value that could not be
            read as its type, and so looks like a missing one.

    Returns:
        A schema whose checks are named by the rule that they stand for.
    """
    return pa.DataFrameSchema(
        {
            name: pa.Column(
                checks=_checks(column, unread.get(name)),
                nullable=True,  # the rule max_missing says how much
                required=name in schema.used,
            )
            for name, column in schema.columns.items()
        }
    )


def _checks(column: ColumnSchema, unread: "Column | None") -> list[pa.Check]:
    """Return the rules for one column; the name of each is what a violation says."""
    least, most, listed = column.min, column.max, column.values
    limit = column.max_missing
    rules: dict[str, Callable[[Column], Any]] = {}
    if unread is None:  # an absent column, of which there is nothing else to say
        return []
    rules[f"type {column.type}"] = lambda _: ~unread
    if column.type == "integer":
        rules["type integer, no fractions"] = lambda x: x.isna() | (x % 1 == 0)
    if least is not None:
        rules[f"min {least}"] = lambda x: x.isna() | (x >= least)
    if most is not None:
        rules[f"max {most}"] = lambda x: x.isna() | (x <= most)
    if listed is not None:
        rules[f"values {listed}"] = lambda x: x.isna() | x.isin(listed)
    if column.unique:
        rules["unique"] = lambda x: x.isna() | ~x.duplicated()
    if limit < 1:
        rules[f"max_missing {limit}"] = lambda x: bool(
            (x.isna() & ~unread).mean() <= limit
        )
    return [pa.Check(rule, name=n, ignore_na=False) for n, rule in rules.items()]


def _summary(violations: list[Violation]) -> str:
    """Return the first violations in one line."""
    shown = "; ".join(str(violation) for violation in violations[:SHOWN_VIOLATIONS])
    more = len(violations) - SHOWN_VIOLATIONS
    rest = f"; and {more} more" if more > 0 else ""
    return f"{shown}{rest}"


def main() -> None:
    """Validate the ingested data, as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    schema = load_schema(settings.data.schema_path, settings)
    path = raw_file(settings)
    checked = validate_file(path, read_table(path), schema, settings)
    print(f"{path}: {len(checked.frame)} rows keep {settings.data.schema_path}")
    if checked.violations:
        print(f"{len(checked.quarantined)} rows do not: {_summary(checked.violations)}")


if __name__ == "__main__":
    run(main)
