"""From the ingested file to training and test rows, and the data dictionary::

    python src/data/preprocessing.py --config config/pipeline_config.yaml

Nothing is fitted here: what depends on the values of many rows (imputation, encoding,
scaling) belongs to the model, which sees the training rows only.
"""

import math
from csv import QUOTE_NONNUMERIC
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from src.data.columns import dates_as_text, to_schema_types
from src.data.dictionary import write_dictionary
from src.data.ingestion import raw_file, read_table
from src.data.schema import DataSchema, load_schema
from src.data.validation import validate
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings, SplitSettings
from src.utils.errors import ConfigError, DataError, reported
from src.utils.files import atomic_path, read_json, sha256_of, write_json

MANIFEST_NAME = "manifest.json"
Parts = tuple[pd.DataFrame, pd.DataFrame]  # training rows, test rows
CONFIG_KEY = "config/pipeline_config.yaml: preprocessing"


def preprocess(settings: Settings) -> dict[str, Any]:
    """Write ``data/processed/`` and the data dictionary; return the manifest.

    The manifest is removed first and written last, so that what an interrupted run
    leaves is never taken for a result. The same input gives the same bytes.
    """
    folder, schema_path = settings.paths.processed, settings.data.schema_path
    rules = settings.preprocessing
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    schema = load_schema(schema_path, settings)
    source = raw_file(settings)
    raw = read_table(source)
    valid = validate(source, raw, schema, settings)
    write_dictionary(settings.data.dictionary_path, schema, raw)
    del raw  # from here on the typed rows are enough
    labelled = valid[valid[schema.target].notna()]
    rows, by = labelled, rules.drop_duplicates
    if by:  # ignored columns count: equal people with different numbers are two people
        keys = by if isinstance(by, list) else None
        _check_columns("drop_duplicates", keys or [], rows)
        rows = rows.drop_duplicates(keys)
    train, test = split_rows(rows, schema.target, rules.split, settings.seed)
    files = {}
    for name, part in (("train.csv", train), ("test.csv", test)):
        _write_csv(part, schema, folder / name)
        files[name] = {"sha256": sha256_of(folder / name), "rows": len(part)}
    manifest = {
        "source": source.name,
        "source_sha256": sha256_of(source),
        "schema_sha256": sha256_of(schema_path),
        "preprocessing": rules.model_dump(mode="json"),
        "seed": settings.seed,
        "removed": {
            "duplicates": len(labelled) - len(rows),
            "without_target": len(valid) - len(labelled),
        },
        "repeated": int(rows.duplicated().sum()),
        "files": files,
    }
    write_json(folder / MANIFEST_NAME, manifest)
    return manifest


def split_rows(
    frame: pd.DataFrame, target: str, split: SplitSettings, seed: int
) -> Parts:
    """Divide typed rows into training and test rows, each in the order they have."""
    if split.method == "time":
        return _split_by_time(frame, split)
    advice = "merge or remove rare classes, or set its method to random"
    with reported((ValueError,), f"{CONFIG_KEY}.split does not suit the rows", advice):
        train, test = train_test_split(
            np.arange(len(frame)),
            test_size=split.test_size,
            random_state=seed,
            stratify=frame[target] if split.method == "stratified" else None,
        )
    return frame.iloc[np.sort(train)], frame.iloc[np.sort(test)]


def load_processed(settings: Settings, part: Literal["train", "test"]) -> pd.DataFrame:
    """Return typed rows of the last finished preprocessing; DataError if outdated."""
    folder, schema_path = settings.paths.processed, settings.data.schema_path
    path, manifest_path = folder / f"{part}.csv", folder / MANIFEST_NAME
    advice = "run `python src/data/preprocessing.py`"
    if not manifest_path.exists():
        raise DataError(f"{manifest_path}: file not found; {advice}")
    manifest = read_json(manifest_path)
    digests = {schema_path: manifest["schema_sha256"]}
    digests[path] = manifest["files"][path.name]["sha256"]
    for file, digest in digests.items():
        if not file.exists() or sha256_of(file) != digest:
            raise DataError(f"{file}: missing or changed since preprocessing; {advice}")
    return read_rows(path, load_schema(schema_path, settings))


def read_rows(path: Path, schema: DataSchema) -> pd.DataFrame:
    """Return the typed rows of a table; DataError if a column or target is missing."""
    raw = read_table(path)
    if absent := [name for name in schema.used if name not in raw.columns]:
        raise DataError(f"{path}: columns {absent} not found; the data schema has them")
    rows = to_schema_types(raw, schema)[schema.used]
    gaps = rows.index[rows[schema.target].isna()]
    if not gaps.empty:
        problem = f"{len(gaps)} rows have no readable target {schema.target!r}"
        raise DataError(f"{path}: {problem}, first row {gaps[0] + 1}; remove them")
    return rows


def _check_columns(key: str, names: list[str], rows: pd.DataFrame) -> None:
    if unknown := [name for name in names if name not in rows.columns]:
        problem = f"found {unknown}, expected columns of {list(rows.columns)}"
        raise ConfigError(f"{CONFIG_KEY}.{key}: {problem}")


def _split_by_time(frame: pd.DataFrame, split: SplitSettings) -> Parts:
    """Return the earlier rows and the later ones; one moment is never in both."""
    names = split.time_columns
    _check_columns("split.time_columns", names, frame)
    cut = len(frame) - math.ceil(split.test_size * len(frame))
    if names:  # else the rows are in order of time
        frame = frame.sort_values(names, kind="stable", na_position="first")
        starts = np.flatnonzero(~frame.duplicated(names))  # of each moment
        cut = int(starts[starts <= cut].max(initial=0))
    if cut == 0:
        problem = "no row is earlier than the test set, nothing is left to train on"
        raise DataError(f"{CONFIG_KEY}.split: {problem}; make test_size smaller")
    return frame.iloc[:cut], frame.iloc[cut:]


def _write_csv(frame: pd.DataFrame, schema: DataSchema, path: Path) -> None:
    """Write the used columns so that ``to_schema_types`` reads them back."""
    written = frame[schema.used].copy()
    for name in schema.used:
        column = schema.columns[name]
        if column.format is not None:
            written[name] = dates_as_text(written[name], column.format)
        elif column.type == "integer":
            written[name] = written[name].astype("Int64")
        elif column.type == "boolean":
            written[name] = written[name].astype("boolean")
    with atomic_path(path) as file:  # with text quoted, and numbers not
        written.to_csv(file, index=False, lineterminator="\n", quoting=QUOTE_NONNUMERIC)


def main() -> None:
    """Preprocess as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    manifest = preprocess(settings)
    train, test = (file["rows"] for file in manifest["files"].values())
    print(f"{settings.paths.processed}: {train} training, {test} test rows")
    counts = manifest["removed"].items()
    print("left out:", ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts))
    if repeated := manifest["repeated"]:
        print(f"{repeated} rows repeat another; see preprocessing.drop_duplicates")
    print("next: python src/training/train.py")


if __name__ == "__main__":
    run(main)
