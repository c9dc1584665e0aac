"""Runs of training, recorded in MLflow at ``MLFLOW_TRACKING_URI``, or ``tracking.uri``,
or in ``mlflow.db``, with files in ``mlruns/``, beside the folder of models."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from src.models.artifact import LIBRARIES, Record, copy_model
from src.utils.config import PROJECT_ROOT, Settings
from src.utils.errors import reported

# Read by mlflow when it is imported: nothing is told to anybody, no progress bar is
# drawn for small files, and a server that is down is reported in seconds.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

import mlflow  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModel  # noqa: E402

if TYPE_CHECKING:  # what only asks a server has no pandas
    from pandas import DataFrame

# What a server raises, and where files go: a disk, HTTP, or a bucket without a server.
FAILURES: tuple[type[Exception], ...] = (mlflow.MlflowException, OSError)
with suppress(ImportError):  # what only asks a server has no client of buckets
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    FAILURES += (Boto3Error, BotoCoreError, ClientError)


def connect(settings: Settings) -> tuple[mlflow.MlflowClient, str]:
    """Return a client for the configured store, and the experiment to record in, for
    mlflow's own functions, too; a store that is not there is a DataError."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    home = settings.paths.models.parent.resolve()
    given = os.environ.get("MLFLOW_TRACKING_URI") or settings.tracking.uri
    uri = given or f"sqlite:///{home / 'mlflow.db'}"
    name = settings.tracking.experiment or settings.project.name
    what = f"MLFLOW_TRACKING_URI or tracking.uri: found {uri!r}, which cannot be used"
    advice = "start the server, or unset it to record in a local file"
    with reported(FAILURES, what, advice):
        home.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        folder = None if given else (home / "mlruns").as_uri()
        with suppress(mlflow.MlflowException):  # it is there, or the next line says why
            client.create_experiment(name, artifact_location=folder)
        return client, str(mlflow.set_experiment(name).experiment_id)


def in_one_line() -> AbstractContextManager[None]:
    """Turn what MLflow does not take into a DataError."""
    what = f"the run cannot be recorded in MLflow at {mlflow.get_tracking_uri()}"
    advice = "see whether its server is up and its disk or bucket can be written to"
    none = "MLOPS_TRACKING__ENABLED=false records nothing"
    return reported(FAILURES, what, f"{advice}; {none}")


@contextmanager
def run(settings: Settings, name: str) -> Iterator[str | None]:
    """Give the id of a run that ends with the block; None if none is recorded."""
    if not settings.tracking.enabled:
        yield None
        return
    connect(settings)
    with in_one_line():
        active = mlflow.start_run(run_name=name)
    try:
        yield str(active.info.run_id)
    except BaseException:
        with suppress(*FAILURES):  # what the block raises says more
            mlflow.end_run("FAILED")
        raise
    with in_one_line():
        mlflow.end_run()


def log_training(
    record: Record,
    fold_scores: Sequence[Mapping[str, float]],
    pipeline: Any,
    path: Path,
    example: "DataFrame",
) -> None:
    """Record in the active run what went into a training and what came out. Folds and
    trials become runs below it; the model file, its record and export are kept as
    ``saved/``, and the pipeline in MLflow's own format, with the example rows."""
    if record["run_id"] is None:
        return
    with in_one_line():
        inputs = {"model_type": record["model_type"], **record["hyperparameters"]}
        mlflow.log_params(inputs | _flat(record["configuration"]))
        mlflow.log_metrics(_flat(record["metrics"]))
        digest = record["data"]["files"]["train.csv"]["sha256"]
        tags = {"code_revision": record["code_revision"], "train_sha256": digest}
        mlflow.set_tags(tags | {"source_sha256": record["data"]["source_sha256"]})
        source = json.dumps({"uri": record["data"]["source"]})
        rows = Dataset("train.csv", digest[:36], "local", source)  # 36 are the most
        named = DatasetInput(rows, [InputTag("mlflow.data.context", "training")])
        mlflow.MlflowClient().log_inputs(record["run_id"], [named])
        for number, scores in enumerate(fold_scores):
            with mlflow.start_run(run_name=f"fold {number}", nested=True):
                mlflow.log_metrics(dict(scores))
        for trial in record["search"]["trials"] if record["search"] else []:
            with mlflow.start_run(run_name=f"trial {trial['number']}", nested=True):
                mlflow.log_params(trial["params"])
                mlflow.set_tag("state", trial["state"])
                if trial["value"] is not None:
                    mlflow.log_metric("value", trial["value"])
        with TemporaryDirectory() as folder:
            copy_model(path, Path(folder) / path.name)
            mlflow.log_artifacts(folder, "saved")
        log_model(pipeline, example)


def log_model(pipeline: Any, example: "DataFrame") -> LoggedModel:
    """Keep a pipeline, which takes raw rows, and its code with the active run."""
    from skops.io import dumps, get_untrusted_types

    needed = (*LIBRARIES, "pydantic", "python-dotenv", "pyyaml", "skops")
    # The first step reads any type. MLflow's would refuse an integer for a number.
    untyped, answers = example.map(lambda _: None), pipeline.predict(example)
    with warnings.catch_warnings(action="ignore"):  # about types, and about pip
        info = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=mlflow.models.infer_signature(untyped, answers),
            input_example=example,
            code_paths=[str(PROJECT_ROOT / "src")],
            pip_requirements=[f"{name}=={version(name)}" for name in needed],
            skops_trusted_types=get_untrusted_types(data=dumps(pipeline)),
        )
    return mlflow.get_logged_model(str(info.model_id))


def add_to_run(
    settings: Settings, record: Record, found: Mapping[str, Any], files: list[Path]
) -> None:
    """Add figures, texts and files to the run that made a model, if it was recorded."""
    run_id = record["run_id"]
    if run_id is None or not settings.tracking.enabled:
        return
    client, experiment = connect(settings)  # a run that is started anew would end anew
    flat = {name.removesuffix(".value"): v for name, v in _flat(found).items()}
    metrics = {name: v for name, v in flat.items() if isinstance(v, float)}
    with in_one_line():
        if not client.search_runs([experiment], f"attributes.run_id = '{run_id}'"):
            # Another store has it, or it ended with a copy of the project.
            logging.warning("run %s is not in this MLflow: nothing is added", run_id)
            return
        mlflow.log_metrics(metrics, run_id=run_id)
        for name in flat.keys() - metrics.keys():
            client.set_tag(run_id, name, flat[name])
        for file in files:
            client.log_artifact(run_id, str(file), "report")


def _flat(nested: Mapping[str, Any]) -> Record:
    """Return the leaves of a mapping by their path, joined by dots."""
    from pandas import json_normalize

    (flat,) = json_normalize(dict(nested)).to_dict("records")
    return {str(path): leaf for path, leaf in flat.items() if leaf is not None}
