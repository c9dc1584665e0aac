"""What people are told of the data: the data dictionary, which says what each column
means and holds, and a short account of what is not used, or doubtful."""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from src.data.columns import Column, as_text, convert
from src.data.schema import ColumnSchema, DataSchema
from src.utils.files import write_text
from src.utils.markdown import code, escape, table

HEAD = """\
Written by preprocessing from `config/data_schema.yaml`, where names, limits and
descriptions are edited, and from the data. What is written here by hand is lost."""
COLUMNS = ["Column", "Type", "Role", "Accepted", "Missing", "Found", "Description"]


def account(schema: DataSchema, raw: pd.DataFrame) -> dict[str, Any]:
    """Return in words what was read, and of columns that are the target, not used, have
    marks of missing values or are doubtful: their names, which of these, and why."""
    texts = (raw[name] for name in raw if raw[name].dtype == "str")
    lines = len(raw) + int(sum(text.str.count("\n").sum() for text in texts))
    read = f"{len(raw):,} rows"
    if lines > len(raw):
        read += f" in {lines:,} lines (a value has line breaks: an open quote?)"
    unknown = [name for name in raw if name not in schema.columns]
    told = [[name, "not used", "The data schema does not name it."] for name in unknown]
    for name, column in schema.columns.items():
        if column.role != "feature":
            how = "target" if column.role == "target" else "not used"
            told.append([name, how, column.description.removeprefix("Ignored: ")])
        if column.missing and name in raw:
            counts = as_text(raw[name]).value_counts()
            marks = [f"{m!r} ({counts.get(m, 0)} rows)" for m in column.missing]
            told.append([name, "missing", ", ".join(marks)])
        if column.check:
            told.append([name, "to check", column.check])
    used = Counter(schema.columns[name].type for name in schema.used)
    kinds = ", ".join(f"{count} {kind}" for kind, count in used.most_common())
    return {"read": f"{read}; columns used: {kinds}", "told": told}


def write_dictionary(
    path: Path, schema: DataSchema, raw: pd.DataFrame, said: dict[str, Any]
) -> None:
    """Write what the schema, raw rows and their account say, if it is not there yet."""
    lines = [f"# Data dictionary: {escape(schema.name)}", "", *HEAD.splitlines(), ""]
    lines += [escape(schema.description), ""] if schema.description else []
    lines += [f"- Read: {said['read']}", f"- Target: {code(schema.target)}"]
    if schema.sensitive:
        names = ", ".join(map(code, schema.sensitive))
        lines.append(f"- Sensitive columns, reported on separately: {names}")
    rows = [COLUMNS]
    for name, column in schema.columns.items():
        found = _missing_and_found(column, raw[name]) if name in raw else ["absent", ""]
        about = [column.type, column.role, _accepted(column), *found]
        rows.append([code(name), *about, escape(column.description)])
    told = [[code(name), how, escape(why)] for name, how, why in said["told"]]
    notes = table([["Column", "Is", "Why"], *told])
    text = "\n".join([*lines, "", *table(rows), "", *notes, ""])
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
    typed, values = convert(raw, column), as_text(raw, column.missing).dropna()
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
