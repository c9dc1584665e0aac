"""Runs in MLflow; ``mlflow_connection.py`` says in which."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

# First, because mlflow reads variables when it is imported.
from src.tracking.mlflow_environment import URI_NAME

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pandas import DataFrame

from src.models.artifact import LIBRARIES, installed_version
from src.tracking.mlflow_connection import FAILURES, connect
from src.tracking.tracker import Tracker, ending
from src.utils.config import Settings
from src.utils.errors import ConfigError, TrackingError, reported

MODEL = "model"


@contextmanager
def recording() -> Iterator[None]:
    """Say in one line that MLflow does not take what is recorded.

    Raises:
        TrackingError: If it does not.
    """
    where = f"the run cannot be recorded in MLflow at {mlflow.get_tracking_uri()}"
    advice = (
        "see whether the server is up, and its disk or bucket can be written to; "
        "MLOPS_TRACKING__BACKEND=none records nothing"
    )
    with reported(FAILURES, TrackingError, where, advice):
        yield


class MlflowTracker(Tracker):
    """Records runs in an experiment of MLflow."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        """Take what ``connect`` returns."""
        self.client = client
        self.experiment_id = experiment_id

    @contextmanager
    def run(self, name: str, parent: str | None = None) -> Iterator[str]:
        """Start a run; see ``Tracker``."""
        tags = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        with recording():
            run = self.client.create_run(self.experiment_id, run_name=name, tags=tags)
        with ending(partial(self._end, run.info.run_id)):
            yield run.info.run_id

    @contextmanager
    def resume(self, run_id: str) -> Iterator[str]:
        """Add to a run that has ended; see ``Tracker``."""
        with recording():
            try:
                self.client.update_run(run_id, status="RUNNING")
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                raise ConfigError(
                    f"{URI_NAME} or tracking.uri: {mlflow.get_tracking_uri()!r} has no "
                    f"run {run_id}, which made the model; name the store that has it, "
                    "train the model here, or record nothing: "
                    "MLOPS_TRACKING__BACKEND=none"
                ) from None
        with ending(partial(self._end, run_id)):
            yield run_id

    @recording()
    def _end(self, run_id: str, is_whole: bool) -> None:
        """End a run."""
        self.client.set_terminated(run_id, "FINISHED" if is_whole else "FAILED")

    @recording()
    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Record what the run was given."""
        entries = [Param(key, str(value)) for key, value in params.items()]
        self.client.log_batch(run_id, params=entries)

    @recording()
    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Record numbers that came out."""
        now = int(1000 * time.time())  # of two values, the later one counts
        entries = [Metric(k, float(v), now, step or 0) for k, v in metrics.items()]
        self.client.log_batch(run_id, metrics=entries)

    @recording()
    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Record what the run can be found by."""
        self.client.log_batch(run_id, tags=[RunTag(k, v) for k, v in tags.items()])

    @recording()
    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Keep a copy of a file with the run."""
        self.client.log_artifact(run_id, str(path), folder or None)

    @recording()
    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text with the run."""
        self.client.log_text(run_id, text, name)

    @recording()
    def log_model(self, run_id: str, pipeline: Any, example: DataFrame) -> None:
        """Keep a pipeline in the format of MLflow, with signature and example.

        It is written with skops, which runs no code when it is read, other than
        cloudpickle. Skops refuses types that it does not know, the trees of
        scikit-learn among them; those of a pipeline that this process has fitted are
        trusted, and their names stand in the model's file for whoever reads it.
        """
        from skops.io import dumps, get_untrusted_types

        # Whole numbers may be missing in later rows: none of them is an integer.
        rows = example.astype({n: float for n in example.select_dtypes("integer")})
        pins = [f"{name}=={installed_version(name)}" for name in LIBRARIES]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about types of columns, and about pip
            signature = infer_signature(rows, pipeline.predict(rows))
            with mlflow.start_run(run_id=run_id, log_system_metrics=False):
                mlflow.sklearn.log_model(
                    pipeline,
                    name=MODEL,
                    signature=signature,
                    input_example=rows,
                    pip_requirements=pins,  # looking them up would take seconds
                    skops_trusted_types=get_untrusted_types(data=dumps(pipeline)),
                )


def make_tracker(settings: Settings) -> Tracker:
    """Return the tracker; see ``connect``."""
    return MlflowTracker(*connect(settings))
