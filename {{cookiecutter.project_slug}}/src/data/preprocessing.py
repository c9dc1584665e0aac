"""From the ingested file to training and test rows, and the data dictionary::

    python src/data/preprocessing.py --config config/pipeline_config.yaml

Nothing is fitted here: what depends on the values of many rows (imputation, encoding,
scaling) belongs to the model, which sees the training rows only.
"""

from csv import QUOTE_NONNUMERIC
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from src.data.columns import to_schema_types, written
from src.data.dictionary import account, write_dictionary
from src.data.ingestion import raw_file, read_table
from src.data.schema import DataSchema, load_schema
from src.data.splitting import Parts, split_rows
from src.data.validation import validate
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import PreprocessingSettings, Settings
from src.utils.errors import ConfigError, DataError
from src.utils.files import atomic_path, read_json, sha256_of, write_json

MANIFEST_NAME = "manifest.json"
CONFIG_KEY = "config/pipeline_config.yaml: preprocessing"
MIN_ROWS = 50
FEW_ROWS = 30  # of a class, with which its figures are a guess


def preprocess(settings: Settings) -> dict[str, Any]:
    """Write ``data/processed/`` and the data dictionary; return the manifest, which is
    removed first and written last, so that what an interrupted run leaves is never
    taken for a result. The same input gives the same bytes."""
    folder, schema_path = settings.paths.processed, settings.data.schema_path
    rules = settings.preprocessing
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    schema = load_schema(schema_path, settings)
    source = raw_file(settings)
    raw = read_table(source)
    valid = validate(source, raw, schema, settings)
    said = account(schema, raw)
    write_dictionary(settings.data.dictionary_path, schema, raw, said)
    del raw  # from here on the typed rows are enough
    parts, removed = divide(valid, schema, rules, settings.seed)
    files = {}
    for name, part in zip(("train.csv", "test.csv"), parts, strict=True):
        write_rows(part[schema.used], schema, folder / name)
        files[name] = {"sha256": sha256_of(folder / name), "rows": len(part)}
    few = {}  # classes that the test rows say little about
    if settings.task == "classification":
        labels = sorted(pd.concat(parts)[schema.target].unique())
        counts = parts[1][schema.target].value_counts().reindex(labels, fill_value=0)
        few = {label: int(n) for label, n in counts.items() if n < FEW_ROWS}
    last = parts[0][schema.time_columns].iloc[-1]  # empty if not by time
    until = [v.isoformat() if isinstance(v, pd.Timestamp) else v for v in last]
    manifest = {
        "source": source.name,
        "account": said,
        "source_sha256": sha256_of(source),
        "schema_sha256": sha256_of(schema_path),
        "preprocessing": rules.model_dump(mode="json"),
        "seed": settings.seed,
        "split_by": schema.split_by,
        "trained_until": until,
        "few_test_rows": few,
        "removed": removed,
        "repeated": int(pd.concat(parts).duplicated().sum()),
        "files": files,
    }
    write_json(folder / MANIFEST_NAME, manifest)
    return manifest


def divide(
    rows: pd.DataFrame, schema: DataSchema, rules: PreprocessingSettings, seed: int
) -> tuple[Parts, dict[str, int]]:
    """Return training and test rows (index kept), and counts of the rest by reason."""
    labelled = rows[rows[schema.target].notna()]
    if len(labelled) < MIN_ROWS:
        problem = f"{len(labelled)} rows with a target {schema.target!r} are too few"
        raise DataError(f"{problem} to learn from and test on; expected {MIN_ROWS}")
    kept, by = labelled, rules.drop_duplicates
    if by:  # ignored columns count: equal people with different numbers are two people
        keys = by if isinstance(by, list) else None
        if unknown := [name for name in keys or [] if name not in rows.columns]:
            problem = f"found {unknown}, expected columns of {list(rows.columns)}"
            raise ConfigError(f"{CONFIG_KEY}.drop_duplicates: {problem}")
        kept = labelled.drop_duplicates(keys)
    train, test = split_rows(kept, schema, rules.split, seed)
    removed = {"duplicates": len(labelled) - len(kept)}
    removed["without_target"] = len(rows) - len(labelled)
    if rules.split.gap:
        removed["in_gap"] = len(kept) - len(train) - len(test)
    return (train, test), removed


def load_processed(settings: Settings, part: Literal["train", "test"]) -> pd.DataFrame:
    """Return typed rows of the last finished preprocessing; DataError if outdated."""
    folder, schema_path = settings.paths.processed, settings.data.schema_path
    path, manifest_path = folder / f"{part}.csv", folder / MANIFEST_NAME
    advice = "run `python src/data/preprocessing.py`"
    if not manifest_path.exists():
        raise DataError(f"{manifest_path}: file not found; {advice}")
    manifest = read_json(manifest_path)
    digests = manifest["schema_sha256"], manifest["files"][path.name]["sha256"]
    for file, digest in zip((schema_path, path), digests, strict=True):
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


def write_rows(frame: pd.DataFrame, schema: DataSchema, path: Path) -> None:
    """Write typed rows as CSV; DataError if they do not read back as they are."""
    given, names = frame.reset_index(drop=True), [str(name) for name in frame]
    table = pd.DataFrame({n: written(given[n], schema.columns[n]) for n in names})
    with atomic_path(path) as file:  # with text quoted, and numbers not
        table.to_csv(file, index=False, lineterminator="\n", quoting=QUOTE_NONNUMERIC)
    read = to_schema_types(read_table(path), schema)
    if lost := [name for name in names if not read[name].equals(given[name])]:
        problem = f"columns {lost} do not read back as they were written"
        advice = "see type, format and missing in config/data_schema.yaml"
        raise DataError(f"{path}: {problem}; {advice}")


def main() -> None:
    """Preprocess as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    manifest = preprocess(settings)
    train, test = (file["rows"] for file in manifest["files"].values())
    by, said = manifest["split_by"], manifest["account"]
    print(f"{manifest['source']}: {said['read']}")
    width = max(len(name) for name, *_ in said["told"])
    for name, how, why in said["told"]:
        print(f"  {name:{width}}  {how:8}  {why}")
    print(f"{settings.paths.processed}: {train} training, {test} test rows, by {by}")
    for label, count in manifest["few_test_rows"].items():
        print(f"class {label!r}: {count} test rows, too few to be sure of its figures")
    counts = manifest["removed"].items()
    print("left out:", ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts))
    if repeated := manifest["repeated"]:
        print(f"{repeated} rows repeat another; see preprocessing.drop_duplicates")
    print("next: python src/training/train.py")


if __name__ == "__main__":
    run(main)
