"""The training and test rows in ``data/processed/``: how they are kept and read.

``manifest.json`` holds the digests of both files. It is removed before they are
written and written after them, so that what an interrupted run leaves is never taken
for a result, nor are two files that do not belong together.
"""

import csv
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from src.data.coercion import coerce
from src.data.schema import DataSchema, load_schema
from src.data.tables import read_table
from src.utils.config import Settings
from src.utils.errors import DataError
from src.utils.files import atomic_path, read_json, sha256_of, write_json

MANIFEST_NAME = "manifest.json"
QUARANTINE_NAME = "quarantine.csv"

Part = Literal["train", "test"]


def write_processed(
    folder: Path,
    parts: dict[Part, pd.DataFrame],
    quarantined: pd.DataFrame,
    schema: DataSchema,
    origin: dict[str, Any],
) -> None:
    """Write the two sets and their manifest; the same input gives the same bytes.

    Args:
        folder: Where ``train.csv``, ``test.csv`` and ``manifest.json`` go.
        parts: Typed rows by set; all columns but the ignored ones are written.
        quarantined: Rows that break the contract, for ``quarantine.csv``; no such
            file is left if there are none.
        schema: The data contract.
        origin: What the rows were made from, for the manifest.
    """
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    (folder / QUARANTINE_NAME).unlink(missing_ok=True)
    if len(quarantined) > 0:
        _write_rows(quarantined, folder / QUARANTINE_NAME)
    files = {}
    for part, frame in parts.items():
        path = folder / f"{part}.csv"
        _write_rows(_as_text(frame, schema), path)
        files[path.name] = {"sha256": sha256_of(path), "rows": len(frame)}
    write_json(folder / MANIFEST_NAME, origin | {"files": files})


def load_processed(settings: Settings, part: Part) -> pd.DataFrame:
    """Return the training or test rows of the last finished preprocessing.

    Args:
        settings: Where the files and the schema are.
        part: ``train`` or ``test``.

    Returns:
        Typed rows: the features and the target.

    Raises:
        DataError: If preprocessing has not finished, or the files or the schema have
            changed since.
    """
    path = settings.paths.processed / f"{part}.csv"
    advice = "run `python src/data/preprocessing.py`"
    manifest_path = settings.paths.processed / MANIFEST_NAME
    if not manifest_path.exists():
        raise DataError(f"{manifest_path}: file not found; {advice}")
    manifest = read_json(manifest_path)
    if manifest["schema_sha256"] != sha256_of(settings.data.schema_path):
        raise DataError(f"{settings.data.schema_path}: changed since {path}; {advice}")
    if not path.exists() or sha256_of(path) != manifest["files"][path.name]["sha256"]:
        raise DataError(f"{path}: missing or changed since it was written; {advice}")
    return read_rows(path, load_schema(settings.data.schema_path, settings))


def read_rows(path: Path, schema: DataSchema) -> pd.DataFrame:
    """Return the rows of any table that has the columns of the schema.

    Args:
        path: A CSV or Parquet file with the features and the target.
        schema: The data contract.

    Returns:
        Typed rows: the features and the target, in the order of the schema.

    Raises:
        DataError: If the file cannot be read, or a column or a target is missing.
    """
    raw = read_table(path)
    absent = [name for name in schema.used if name not in raw.columns]
    if absent:
        raise DataError(f"{path}: columns {absent} not found; the data schema has them")
    rows = coerce(raw, schema)[schema.used]
    gaps = rows.index[rows[schema.target].isna()]
    if len(gaps) > 0:
        raise DataError(
            f"{path}: {len(gaps)} rows have no readable target {schema.target!r}, the "
            f"first is row {gaps[0] + 1}; remove them"
        )
    return rows


def _write_rows(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, atomically; text is quoted, numbers are not."""
    with atomic_path(path) as partial:
        frame.to_csv(
            partial, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
        )


def _as_text(frame: pd.DataFrame, schema: DataSchema) -> pd.DataFrame:
    """Return the used columns as ``coerce`` reads them back from a file."""
    columns = {}
    for name in schema.used:
        column, expected = frame[name], schema.columns[name]
        match expected.type:
            case "integer":
                column = column.astype("Int64")
            case "boolean":
                column = column.astype("boolean")
            case "date" if expected.format is not None:
                # A format may ask for a time zone; what coerce returns is UTC.
                column = column.dt.tz_localize("UTC").dt.strftime(expected.format)
            case _:
                pass
        columns[name] = column
    return pd.DataFrame(columns, columns=pd.Index(schema.used))
