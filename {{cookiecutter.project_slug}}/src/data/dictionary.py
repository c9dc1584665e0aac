"""The data dictionary: what each column means and holds, for people.

Preprocessing writes it wherever it would say something else than before. Its first
part repeats the schema; this command fails if it does not::

    python src/data/dictionary.py --check
"""

import pandas as pd

from src.data.columns import Column, as_numbers, as_text, convert
from src.data.ingestion import raw_file
from src.data.schema import ColumnSchema, DataSchema, load_schema
from src.data.tables import read_table
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import first_difference, write_text

MAX_EXAMPLES = 3
MAX_EXAMPLE_LENGTH = 30
HEAD = """\
Written by preprocessing from `config/data_schema.yaml`, where names, limits and
descriptions are edited, and from the data. What is written here by hand is lost."""
CONTRACT = ("Column", "Type", "Role", "Accepted", "Description")
CONTENT = ("Column", "Missing", "Found")


def write_dictionary(settings: Settings, schema: DataSchema, raw: pd.DataFrame) -> bool:
    """Write the data dictionary, if it is not there as it should be.

    Args:
        settings: Where it goes.
        schema: The data contract.
        raw: The rows as ``read_table`` gives them.

    Returns:
        Whether it was written.
    """
    path = settings.data.dictionary_path
    text = dictionary(schema, raw)
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    write_text(path, text)
    return True


def check_dictionary(settings: Settings) -> str:
    """Hold the dictionary against the schema; what it says of the data is not read.

    Returns:
        What was found, in one line.

    Raises:
        ConfigError: If the schema cannot be used.
        DataError: If the dictionary is another schema's, or is missing.
    """
    path, schema_path = settings.data.dictionary_path, settings.data.schema_path
    if not schema_path.exists() and not path.exists():
        return "no data schema yet, and no data dictionary"
    expected = _contract(load_schema(schema_path, settings))
    advice = "run `make data` and commit the dictionary"
    if not path.exists():
        raise DataError(f"{path}: file not found, expected {schema_path}; {advice}")
    found = path.read_text(encoding="utf-8", errors="replace").splitlines()
    difference = first_difference(found[: len(expected)], expected)
    if difference is not None:
        raise DataError(f"{path}: {difference} from {schema_path}; {advice}")
    return f"{path}: the dictionary of {schema_path}"


def dictionary(schema: DataSchema, raw: pd.DataFrame) -> str:
    """Return the data dictionary as Markdown.

    Args:
        schema: The data contract.
        raw: The rows as ``read_table`` gives them.

    Returns:
        What the schema says, with a table of the columns, then what the rows hold,
        with another.
    """
    lines = [*_contract(schema), "", "## What the data hold", ""]
    lines += [f"Rows: {len(raw):,}", "", *_heading(CONTENT)]
    for name, column in schema.columns.items():
        values = as_text(raw[name]) if name in raw.columns else pd.Series(dtype="str")
        lines.append(_row(_content(name, column, values)))
    return "\n".join(lines) + "\n"


def _contract(schema: DataSchema) -> list[str]:
    """Return the lines that follow from the schema alone."""
    lines = [f"# Data dictionary: {_escape(schema.name)}", "", HEAD, ""]
    if schema.description:
        lines += [_escape(schema.description), ""]
    lines.append(f"- Target: {_code(schema.target)}")
    if schema.sensitive:
        names = ", ".join(_code(name) for name in schema.sensitive)
        lines.append(f"- Sensitive columns, reported on separately: {names}")
    lines += ["", "## Columns", "", *_heading(CONTRACT)]
    for name, column in schema.columns.items():
        text = _escape(column.description)
        cells = [_code(name), column.type, column.role, _accepted(column), text]
        lines.append(_row(cells))
    return "\n".join(lines).splitlines()


def _content(name: str, column: ColumnSchema, values: Column) -> list[str]:
    """Return the cells of one column's line about the data."""
    missing = "absent"
    if len(values) > 0:
        typed = convert(values, column.type, column.format)
        missing = f"{typed.isna().mean():.1%}"
    return [_code(name), missing, _found(column, values.dropna())]


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


def _heading(names: tuple[str, ...]) -> list[str]:
    """Return the first two lines of a Markdown table."""
    return [_row(names), _row(["---"] * len(names))]


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
    """Write the dictionary, or check it.

    Raises:
        ProjectError: If there is no schema, or the dictionary is another schema's.
    """
    parser = config_parser("Write the data dictionary of the ingested data.")
    parser.add_argument(
        "--check", action="store_true", help="fail if it is not the one of the schema"
    )
    arguments = parser.parse_args()
    settings = settings_from(arguments)
    if arguments.check:
        print(check_dictionary(settings))
        return
    schema = load_schema(settings.data.schema_path, settings)
    written = write_dictionary(settings, schema, read_table(raw_file(settings)))
    state = "written; review and commit it" if written else "unchanged"
    print(f"{settings.data.dictionary_path}: {state}")


if __name__ == "__main__":
    run(main)
