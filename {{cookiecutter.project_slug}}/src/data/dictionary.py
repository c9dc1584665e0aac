"""The data dictionary: what each column means and holds, for people."""

import logging
from pathlib import Path

import pandas as pd

from src.data.columns import Column, as_text, convert
from src.data.schema import ColumnSchema, DataSchema, load_schema
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import first_difference, write_text
from src.utils.markdown import code, escape, table

HEAD = """\
Written by preprocessing from `config/data_schema.yaml`, where names, limits and
descriptions are edited, and from the data. What is written here by hand is lost."""


def write_dictionary(path: Path, schema: DataSchema, raw: pd.DataFrame) -> None:
    """Write what schema and raw rows say about the columns, if it is not there yet."""
    rows = [["Column", "Missing", "Found"]]
    for name, column in schema.columns.items():
        found = _missing_and_found(column, raw[name]) if name in raw else ["absent", ""]
        rows.append([code(name), *found])
    head = ["", "## What the data hold", "", f"Rows: {len(raw):,}", ""]
    text = "\n".join([*_schema_part(schema), *head, *table(rows), ""])
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_text(path, text)
        logging.getLogger(__name__).info("%s: written; review and commit it", path)


def check_dictionary(settings: Settings) -> str:
    """Say that the dictionary is the schema's, or raise DataError; needs no data."""
    path, schema_path = settings.data.dictionary_path, settings.data.schema_path
    if not schema_path.exists() and not path.exists():
        return "no data schema yet, and no data dictionary"
    expected = _schema_part(load_schema(schema_path, settings))
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    difference = first_difference(text.splitlines()[: len(expected)], expected)
    if difference:
        raise DataError(f"{path}: {difference} from {schema_path}; run `make data`")
    return f"{path}: the dictionary of {schema_path}"


def _schema_part(schema: DataSchema) -> list[str]:
    lines = [f"# Data dictionary: {escape(schema.name)}", "", *HEAD.splitlines(), ""]
    lines += [escape(schema.description), ""] if schema.description else []
    lines.append(f"- Target: {code(schema.target)}")
    if schema.sensitive:
        names = ", ".join(code(name) for name in schema.sensitive)
        lines.append(f"- Sensitive columns, reported on separately: {names}")
    rows = [["Column", "Type", "Role", "Accepted", "Description"]]
    for name, column in schema.columns.items():
        rules = [
            ", ".join(map(code, column.values or [])),
            f"from {column.min}" if column.min is not None else "",
            f"to {column.max}" if column.max is not None else "",
            f"written {code(column.format)}" if column.format else "",
            "unique" if column.unique else "",
        ]
        cells = [column.type, column.role, " ".join(filter(None, rules))]
        rows.append([code(name), *cells, escape(column.description)])
    return [*lines, "", "## Columns", "", *table(rows)]


def _missing_and_found(column: ColumnSchema, raw: Column) -> list[str]:
    typed, values = convert(raw, column.type, column.format), as_text(raw).dropna()
    missing = f"{typed.isna().mean():.1%}"
    if values.empty or column.values is not None:
        return [missing, ""]
    if column.type in ("integer", "number"):
        style = ",.0f" if column.type == "integer" else ",.6g"
        return [missing, f"{typed.min():{style}} to {typed.max():{style}}"]
    # By value where equally frequent: the same data give the same text.
    counts = values.value_counts().sort_index()
    examples = ", ".join(map(code, counts.nlargest(3).index))
    return [missing, f"{len(counts):,} distinct, such as {examples}"]


def main() -> None:
    """Check the dictionary."""
    parser = config_parser("Check that the data dictionary is that of the data schema.")
    parser.add_argument("--check", action="store_true", required=True)
    print(check_dictionary(settings_from(parser.parse_args())))


if __name__ == "__main__":
    run(main)
