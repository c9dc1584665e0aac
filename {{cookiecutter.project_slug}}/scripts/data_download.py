"""Bring the data to ``data/raw/``, and at the first run infer their schema.

Where ``config/data_schema.yaml`` does not exist yet, it is inferred from the data, to
be reviewed and committed, and used from then on::

    python scripts/data_download.py
"""

from src.data.inference import infer_schema
from src.data.ingestion import ingest
from src.data.schema import load_schema, write_schema
from src.data.tables import read_table
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import Settings
from src.utils.files import sha256_of


def download(settings: Settings, force: bool = False) -> None:
    """Ingest the source and make sure that there is a schema that suits the settings.

    Args:
        settings: All settings.
        force: Download again what is already there.

    Raises:
        ConfigError: If the schema there is does not suit the settings.
        DataError: If the source cannot be read or does not suit the settings.
    """
    data = settings.data
    raw = ingest(data.source, settings.paths.raw, data.sha256, force)
    print(f"{raw}: SHA-256 {sha256_of(raw)}")
    if not data.schema_path.exists():
        frame = read_table(raw)
        write_schema(
            infer_schema(frame, data.target, raw.name, settings.task), data.schema_path
        )
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
