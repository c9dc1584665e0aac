"""Bring the data to ``data/raw/``, and at the first run infer their schema.

Where ``config/data_schema.yaml`` does not exist yet, it is inferred from the data, to
be reviewed and committed, and used from then on::

    python scripts/data_download.py
"""

from scripts.infer_schema import infer_schema
from src.data.ingestion import ingest, read_table
from src.data.schema import load_schema, write_schema
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.files import sha256_of


def download(settings: Settings, force: bool = False) -> None:
    """Ingest the source, and infer its schema where there is none yet."""
    data = settings.data
    raw = ingest(data.source, settings.paths.data / "raw", data.sha256, force)
    print(f"{raw}: SHA-256 {sha256_of(raw)}")
    if not data.schema_path.exists():
        rows = read_table(raw)
        schema = infer_schema(rows, data.target, raw.name, settings.task)
        write_schema(schema, data.schema_path)
        print(f"{data.schema_path}: inferred; review and commit it")
    load_schema(data.schema_path, settings)
    print("next: python src/data/preprocessing.py --config config/pipeline_config.yaml")


def main() -> None:
    """Download as configured on the command line."""
    parser = config_parser(__doc__)
    parser.add_argument(
        "--force", action="store_true", help="download again what is already there"
    )
    arguments = parser.parse_args()
    download(settings_from(arguments), arguments.force)


if __name__ == "__main__":
    run(main)
