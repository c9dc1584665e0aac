"""The data dictionary: what each column means and holds, for people."""

import logging
from pathlib import Path

import pandas as pd

from src.data.columns import Column, as_text, convert
from src.data.schema import ColumnSchema, DataSchema
from src.utils.files import write_text
from src.utils.markdown import code, escape, table

HEAD = """\
Written by preprocessing from `config/data_schema.yaml`, where names, limits and
descriptions are edited, and from the data. What is written here by hand is lost."""
COLUMNS = ["Column", "Type", "Role", "Accepted", "Missing", "Found", "Description"]


def write_dictionary(path: Path, schema: DataSchema, raw: pd.DataFrame) -> None:
    """Write what schema and raw rows say about the columns, if it is not there yet."""
    lines = [f"# Data dictionary: {escape(schema.name)}", "", *HEAD.splitlines(), ""]
    lines += [escape(schema.description), ""] if schema.description else []
    lines += [f"- Rows: {len(raw):,}", f"- Target: {code(schema.target)}"]
    if schema.sensitive:
        names = ", ".join(map(code, schema.sensitive))
        lines.append(f"- Sensitive columns, reported on separately: {names}")
    rows = [COLUMNS]
    for name, column in schema.columns.items():
        found = _missing_and_found(column, raw[name]) if name in raw else ["absent", ""]
        about = [column.type, column.role, _accepted(column), *found]
        rows.append([code(name), *about, escape(column.description)])
    text = "\n".join([*lines, "", *table(rows), ""])
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_text(path, text)
        logging.getLogger(__name__).info("%s: written; review and commit it", path)


def _accepted(column: ColumnSchema) -> str:
    rules = [
        ", ".join(map(code, column.values or [])),
        f"from {column.min}" if column.min is not None else "",
        f"to {column.max}" if column.max is not None else "",
        f"written {code(column.format)}" if column.format else "",
        "unique" if column.unique else "",
    ]
    return " ".join(filter(None, rules))


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
