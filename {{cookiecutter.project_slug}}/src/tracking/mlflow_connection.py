"""Where MLflow keeps things: a local SQLite file, or the server that a URI names.

``MLFLOW_TRACKING_URI`` in the environment wins over ``tracking.uri`` of the
configuration; without both, runs are in ``mlflow.db`` and files in ``mlruns/``, beside
the folder of models.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

# First, because mlflow reads variables when it is imported.
from src.tracking.mlflow_environment import URI_NAME

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from src.utils.config import Settings
from src.utils.errors import ConfigError, reported

# What a server raises, and where files go: a disk, HTTP, or a bucket without a server.
FAILURES: tuple[type[Exception], ...] = (MlflowException, OSError)
with suppress(ImportError):  # what only asks a server has no client of buckets
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    FAILURES += (Boto3Error, BotoCoreError, ClientError)


def connect(settings: Settings) -> tuple[MlflowClient, str]:
    """Return a client for the configured store, and the experiment to record in.

    The experiment is made if it is not there.

    Raises:
        ConfigError: If the store cannot be reached.
    """
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    home = settings.paths.models.parent.resolve()
    given = os.environ.get(URI_NAME) or settings.tracking.uri
    uri = given or f"sqlite:///{home / 'mlflow.db'}"
    home.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    name = settings.tracking.experiment or settings.project.name
    with reported(
        FAILURES,
        ConfigError,
        f"{URI_NAME} or tracking.uri: found {uri!r}, which cannot be used",
        "start the server, or unset it to record in a local file",
    ):
        client = MlflowClient(uri)
        return client, _experiment(client, name, None if given else home / "mlruns")


def _experiment(client: MlflowClient, name: str, folder: Path | None) -> str:
    """Return the identifier of an experiment; files of a new one go to ``folder``."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = folder.as_uri() if folder else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:  # another process was faster
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)
