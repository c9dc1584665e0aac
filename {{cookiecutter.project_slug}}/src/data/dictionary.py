"""The data dictionary: what each column means, for people.

Written at the first ``make data``; to write it anew after a change of the schema::

    python src/data/dictionary.py
"""

import pandas as pd

from src.data.columns import Column, as_numbers, as_text, convert
from src.data.ingestion import raw_file
from src.data.schema import ColumnSchema, DataSchema, load_schema
from src.data.tables import read_table
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.files import write_text

MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 30
HEADINGS = ("Column", "Type", "Role", "Accepted", "Missing", "Found", "Description")


def write_dictionary(settings: Settings, schema: DataSchema) -> None:
    """Write the data dictionary of the ingested data.

    Raises:
        DataError: If there are no data yet.
    """
    text = dictionary(schema, read_table(raw_file(settings)))
    write_text(settings.data.dictionary_path, text)


def dictionary(schema: DataSchema, raw: pd.DataFrame) -> str:
    """Return the data dictionary as Markdown.

    Args:
        schema: The data contract.
        raw: The rows as ``read_table`` gives them.

    Returns:
        A heading, what the data set is, and a table with a line for each column.
    """
    lines = [f"# Data dictionary: {_escape(schema.name)}", ""]
    if schema.description:
        lines += [_escape(schema.description), ""]
    lines += [f"- Rows: {len(raw):,}", f"- Target: {_code(schema.target)}"]
    if schema.sensitive:
        names = ", ".join(_code(name) for name in schema.sensitive)
        lines.append(f"- Sensitive columns, reported on separately: {names}")
    lines += ["", _row(HEADINGS), _row(["---"] * len(HEADINGS))]
    for name, column in schema.columns.items():
        values = as_text(raw[name]) if name in raw.columns else pd.Series(dtype="str")
        lines.append(_row(_cells(name, column, values)))
    return "\n".join(lines) + "\n"


def _cells(name: str, column: ColumnSchema, values: Column) -> list[str]:
    """Return the cells of one column's line."""
    missing = "absent"
    if len(values) > 0:
        typed = convert(values, column.type, column.format)
        missing = f"{typed.isna().mean():.1%}"
    return [
        _code(name),
        column.type,
        column.role,
        _accepted(column),
        missing,
        _found(column, values.dropna()),
        _escape(column.description),
    ]


def _accepted(column: ColumnSchema) -> str:
    """Return the limits or the allowed values of a column."""
    parts = []
    if column.values is not None:
        parts.append(", ".join(_code(value) for value in column.values))
    if column.min is not None:
        parts.append(f"from {column.min}")
    if column.max is not None:
        parts.append(f"to {column.max}")
    if column.format is not None:
        parts.append(f"written {_code(column.format)}")
    if column.unique:
        parts.append("unique")
    return " ".join(parts)


def _found(column: ColumnSchema, values: Column) -> str:
    """Return the range of numbers, or the most frequent values of anything else."""
    if values.empty or column.values is not None:
        return ""
    if column.type in ("integer", "number"):
        numbers = as_numbers(values)
        style = ",.0f" if column.type == "integer" else ",.6g"
        return f"{numbers.min():{style}} to {numbers.max():{style}}"
    # By value where equally frequent, so that the same data give the same text.
    counts = values.value_counts().rename_axis("value").reset_index(name="rows")
    counts = counts.sort_values(["rows", "value"], ascending=[False, True])
    examples = ", ".join(_code(value) for value in counts["value"][:MAX_EXAMPLES])
    return f"{len(counts):,} distinct, such as {examples}"


def _row(cells: tuple[str, ...] | list[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """Return text that stays in its cell and is not taken for Markdown or HTML."""
    text = " ".join(text.split())
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text


def _code(value: str) -> str:
    """Return a value as Markdown code, shortened, in as many backticks as it needs."""
    text = " ".join(value.split())
    if len(text) > MAX_EXAMPLE_LENGTH:
        text = text[: MAX_EXAMPLE_LENGTH - 1] + "…"
    text = text.replace("|", "\\|")
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def main() -> None:
    """Write the dictionary, as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    write_dictionary(settings, load_schema(settings.data.schema_path, settings))
    print(f"{settings.data.dictionary_path}: written; review and commit it")


if __name__ == "__main__":
    run(main)
