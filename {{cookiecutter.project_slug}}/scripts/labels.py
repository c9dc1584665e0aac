"""Tell what became true of rows that were predicted.

    python scripts/labels.py outcomes.csv

The file, CSV, Parquet or Excel, has the target column and what tells which row it is
of: request_id (and row, in requests of several), or the column that log.key of
config/monitoring_config.yaml names. Other columns are not read.
"""

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from src.data.ingestion import read_table
from src.data.schema import load_schema
from src.monitoring.labels import Labels
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.errors import DataError


def main() -> None:
    """Parse the command line, and take the labels."""
    parser = config_parser("Tell what became true of rows that were predicted.")
    parser.add_argument("file", type=Path, help="the labels: CSV, Parquet or Excel")
    arguments = parser.parse_args()
    print(add_labels(arguments.file, settings_from(arguments)))
    print("next: python scripts/monitor.py")


def add_labels(path: Path, settings: Settings) -> str:
    """Take the labels of a file, all or, if one is wrong, none; say how many."""
    labels = Labels(settings, load_schema(settings.data.schema_path, settings))
    fields = labels.model.model_fields
    names = [field.alias or name for name, field in fields.items()]
    table = read_table(path)
    used = [name for name in names if name in table.columns]
    rows: list[Any] = table[used].to_dict("records")
    many = TypeAdapter(list[labels.model])  # type: ignore[name-defined]  # of run time
    try:
        written = labels.add(many.validate_python(rows))
    except ValidationError as error:
        row, *column = error.errors()[0]["loc"]
        problem = f"row {row}: {'.'.join(map(str, column))}: {error.errors()[0]['msg']}"
        more = f" (and {error.error_count() - 1} more)" * (error.error_count() > 1)
        raise DataError(f"{path}: {problem}{more}; no label was taken") from None
    return f"{written}: {len(rows)} labels"


if __name__ == "__main__":
    run(main)
