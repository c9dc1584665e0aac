"""What is recorded of a training and of an evaluation, whatever the backend."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from pandas import DataFrame

from src.models.artifact import Record, record_path
from src.tracking.tracker import NONE, NoTracker, Tracker, make_tracker
from src.utils.config import Settings

EXAMPLE_ROWS = 5


def tracking_of(settings: Settings, run_id: str) -> Record | None:
    """Return what the record of a model says of its run; None without one."""
    if settings.tracking.backend == NONE:
        return None
    return {"backend": settings.tracking.backend, "run_id": run_id}


def run_of(record: Record, settings: Settings) -> str | None:
    """Return the run that made a model, if it is where runs are recorded now."""
    tracking = record.get("tracking")
    if not tracking or tracking["backend"] != settings.tracking.backend:
        return None
    return str(tracking["run_id"])


def recorded_run(record: Record, settings: Settings) -> tuple[Tracker, str]:
    """Return the tracker with the run that made a model, and the run.

    Without such a run it is a tracker that records nothing.

    Raises:
        ProjectError: If the backend cannot be used.
    """
    run_id = run_of(record, settings)
    return (NoTracker(), "") if run_id is None else (make_tracker(settings), run_id)


def record_training(
    tracker: Tracker, run_id: str, record: Record, fold_scores: Sequence[dict[str, Any]]
) -> None:
    """Record the inputs and the metrics of a training, each fold as a run of its own.

    Args:
        tracker: Where to.
        run_id: The run of the training.
        record: The record of the model.
        fold_scores: The metrics of each fold; none without cross-validation.
    """
    if isinstance(tracker, NoTracker):
        return  # to gather what nobody keeps would take longer than to start
    params = {"model_type": record["model_type"], **record["hyperparameters"]}
    tracker.log_params(run_id, params | _flat(record["configuration"]))
    tracker.log_tags(run_id, _origin(record))
    tracker.log_metrics(run_id, _flat(record["metrics"]))
    for number, scores in enumerate(fold_scores):
        with tracker.run(f"fold {number}", parent=run_id) as fold_id:
            tracker.log_metrics(fold_id, scores)
    for trial in (record.get("search") or {}).get("trials", []):
        _record_trial(tracker, run_id, trial)
    configuration = yaml.safe_dump(record["configuration"], sort_keys=False)
    tracker.log_text(run_id, configuration, "configuration.yaml")
    tracker.log_text(run_id, installed(), "environment.txt")


def record_model(
    tracker: Tracker, run_id: str, pipeline: Any, path: Path, rows: DataFrame
) -> None:
    """Keep a saved model and its record with the run.

    Args:
        tracker: Where to.
        run_id: The run of the training.
        pipeline: The fitted pipeline.
        path: The model file; its record is beside it.
        rows: Rows that the pipeline takes; the first are the example.
    """
    tracker.log_file(run_id, path, "saved")
    tracker.log_file(run_id, record_path(path), "saved")
    tracker.log_model(run_id, pipeline, rows.head(EXAMPLE_ROWS))


def record_evaluation(
    tracker: Tracker,
    run_id: str,
    summary: Mapping[str, Any],
    files: Sequence[Path],
    pictures: Mapping[str, str],
) -> None:
    """Add what an evaluation found to the run that made the model.

    Args:
        tracker: Where to.
        run_id: The run of the training.
        summary: The content of ``evaluation.json``.
        files: The report.
        pictures: SVG by name.
    """
    scores = {
        name: {key: value for key, value in score.items() if value is not None}
        for name, score in summary["metrics"].items()
    }
    metrics = {f"test.{name}": score.pop("value") for name, score in scores.items()}
    with tracker.resume(run_id):
        tracker.log_metrics(run_id, metrics | _flat({"test": scores}))
        tracker.log_tags(run_id, {"test_sha256": summary["data"]["test_sha256"]})
        for file in files:
            tracker.log_file(run_id, file, "report")
        for name, svg in pictures.items():
            tracker.log_text(run_id, svg, f"plots/{name}.svg")


def record_decision(
    tracker: Tracker, run_id: str, version: int, verdict: str, files: Sequence[Path]
) -> None:
    """Add what became of a model to the run that made it, which is open.

    Who is champion now is not said here: it changes, and the registry knows.

    Args:
        tracker: Where to.
        run_id: The run of the training.
        version: The number of the model in the registry.
        verdict: What the gate said, in a word.
        files: The decision.
    """
    tracker.log_tags(run_id, {"version": str(version), "gate": verdict})
    for file in files:
        tracker.log_file(run_id, file, "report")


@cache  # reading them takes longer than a small training
def installed() -> str:
    """Return every installed distribution, as a requirements file pins them."""
    # Each look at `metadata` reads a file anew.
    found = [distribution.metadata for distribution in distributions()]
    pins = {f"{metadata['Name']}=={metadata['Version']}" for metadata in found}
    return "\n".join(sorted(pins, key=str.lower)) + "\n"


def _record_trial(tracker: Tracker, run_id: str, trial: Mapping[str, Any]) -> None:
    """Record a trial of a search as a run of its own."""
    with tracker.run(f"trial {trial['number']}", parent=run_id) as trial_id:
        tracker.log_params(trial_id, trial["params"])
        tracker.log_tags(trial_id, {"state": trial["state"]})
        for step, value in enumerate(trial["intermediate"]):
            tracker.log_metrics(trial_id, {"fold": value}, step)
        if trial["value"] is not None:
            tracker.log_metrics(trial_id, {"value": trial["value"]})


def _origin(record: Record) -> dict[str, str]:
    """Return the data and the code that made a model."""
    data = record["data"]
    return {
        "code_revision": str(record["code_revision"]),
        "source_sha256": str(data.get("source_sha256")),
        "train_sha256": data["files"]["train.csv"]["sha256"],
        "python": record["python"],
    }


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a mapping by their path, joined by dots."""
    leaves: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            leaves |= _flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
