"""From the ingested file to training and test rows.

Validates the data against the schema, writes the data dictionary where it has changed,
removes duplicates and rows without a target, and divides the rest, as
``config/pipeline_config.yaml`` says::

    python src/data/preprocessing.py --config config/pipeline_config.yaml

Nothing is fitted here: what depends on the values of many rows (imputation, encoding,
scaling) belongs to the model, which sees the training rows only.
"""

from dataclasses import dataclass

import pandas as pd

from src.data.dictionary import write_dictionary
from src.data.ingestion import raw_file
from src.data.processed import MANIFEST_NAME, Part, write_processed
from src.data.schema import load_schema
from src.data.splitting import split_rows
from src.data.tables import read_table
from src.data.validation import validate_file
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.files import sha256_of


@dataclass(frozen=True)
class Summary:
    """How many rows went where, and whether the data dictionary was written."""

    train: int
    test: int
    quarantined: int
    duplicates: int
    without_target: int
    dictionary_written: bool


def preprocess(settings: Settings) -> Summary:
    """Write ``data/processed/`` and the data dictionary from ``data/raw/``.

    Args:
        settings: All settings; the seed decides a random split.

    Returns:
        How many rows went where, and whether the data dictionary was written.

    Raises:
        ConfigError: If the schema or the split does not suit the data.
        DataError: If the data are missing or break the schema.
    """
    # From here on, until the new rows are complete, the rows there are do not count.
    (settings.paths.processed / MANIFEST_NAME).unlink(missing_ok=True)
    schema_path = settings.data.schema_path
    schema = load_schema(schema_path, settings)
    source = raw_file(settings)
    raw = read_table(source)
    checked = validate_file(source, raw, schema, settings)
    dictionary_written = write_dictionary(settings, schema, raw)
    del raw  # from here on the typed rows are enough
    labelled = checked.frame[checked.frame[schema.target].notna()]
    rows = labelled
    if settings.preprocessing.drop_duplicates:
        # Ignored columns count: equal people with different numbers are two people.
        rows = labelled.drop_duplicates()
    train, test = split_rows(rows, schema, settings.preprocessing.split, settings.seed)
    summary = Summary(
        train=len(train),
        test=len(test),
        quarantined=len(checked.quarantined),
        duplicates=len(labelled) - len(rows),
        without_target=len(checked.frame) - len(labelled),
        dictionary_written=dictionary_written,
    )
    origin = {
        "source": source.name,
        "source_sha256": sha256_of(source),
        "schema_sha256": sha256_of(schema_path),
        "preprocessing": settings.preprocessing.model_dump(mode="json"),
        "seed": settings.seed,
        "removed": {
            "quarantined": summary.quarantined,
            "duplicates": summary.duplicates,
            "without_target": summary.without_target,
        },
    }
    parts: dict[Part, pd.DataFrame] = {"train": train, "test": test}
    write_processed(
        settings.paths.processed, parts, checked.quarantined, schema, origin
    )
    return summary


def main() -> None:
    """Preprocess as configured on the command line."""
    settings = settings_from(config_parser(__doc__).parse_args())
    done = preprocess(settings)
    if done.dictionary_written:
        print(f"{settings.data.dictionary_path}: written; review and commit it")
    print(f"{settings.paths.processed}: {done.train} training, {done.test} test rows")
    print(
        f"left out: {done.duplicates} duplicates, {done.without_target} without a "
        f"target, {done.quarantined} in quarantine"
    )
    print("next: python src/training/train.py")


if __name__ == "__main__":
    run(main)
