"""Runs of training, recorded with Weights & Biases.

They are written to ``wandb/`` beside the folder of models, and synced when you say so;
``WANDB_MODE=online`` sends them as they are made.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pandas import DataFrame

from src.models.artifact import Record, export_path, record_path
from src.utils.config import Settings
from src.utils.errors import reported

# Read by wandb when it is imported: nothing is sent to anybody unasked.
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
os.environ.setdefault("WANDB_SILENT", "true")

import wandb  # noqa: E402

in_one_line = partial(
    reported,
    (wandb.Error, OSError),
    "the run cannot be recorded with wandb",
    "see whether the disk has room, or set WANDB_MODE=offline to record on this "
    "machine; MLOPS_TRACKING__ENABLED=false records nothing",
)


@contextmanager
def run(settings: Settings, name: str) -> Iterator[str | None]:
    """Give the id of a run that ends with the block; None if none is recorded."""
    if not settings.tracking.enabled:
        yield None
        return
    with _started(settings, name=name) as started:
        yield str(started.id)


def log_training(
    record: Record,
    fold_scores: Sequence[Mapping[str, float]],
    pipeline: Any,
    path: Path,
    example: DataFrame,
) -> None:
    """Record in the active run what went into a training and what came out.

    Folds and trials become tables; the model file, its record and export and the
    example rows one artifact.
    """
    if record["run_id"] is None or wandb.run is None:
        return
    active = wandb.run
    with in_one_line():
        origin = ("model_type", "hyperparameters", "configuration", "code_revision")
        for key in (*origin, "data"):
            active.config[key] = record[key]
        for part, values in record["metrics"].items():
            active.summary[part] = values
        if fold_scores:
            folds = DataFrame(list(fold_scores))
            active.log({"folds": wandb.Table(dataframe=folds)})
        if record["search"]:
            trials = DataFrame(record["search"]["trials"]).astype({"params": str})
            active.log({"trials": wandb.Table(dataframe=trials)})
        artifact = wandb.Artifact(f"{active.project}-model", "model")
        for file in (path, record_path(path), export_path(path)):
            if file.exists():
                artifact.add_file(str(file))
        with artifact.new_file("input_example.json", encoding="utf-8") as stream:
            example.to_json(stream, orient="records")
        active.log_artifact(artifact)


def add_to_run(
    settings: Settings, record: Record, found: Mapping[str, Any], files: list[Path]
) -> None:
    """Add figures, texts and files to the run that made a model, if it was recorded."""
    if record["run_id"] is None or not settings.tracking.enabled:
        return
    with _started(settings, id=record["run_id"], resume="allow") as active:
        with in_one_line():
            for name, value in found.items():
                active.summary[name] = value
            for file in files:
                active.save(str(file), base_path=str(file.parent), policy="now")


@contextmanager
def _started(settings: Settings, **options: Any) -> Iterator[wandb.Run]:
    """Start or resume a run, and end it with the block; as failed if that raises."""
    folder = settings.paths.models.parent
    with in_one_line():
        folder.mkdir(parents=True, exist_ok=True)
        # No output, hardware or git of this machine is recorded.
        quiet = wandb.Settings(
            console="off", x_disable_meta=True, x_disable_stats=True, disable_git=True
        )
        project = settings.tracking.experiment or settings.project.name
        active = wandb.init(project=project, dir=str(folder), settings=quiet, **options)
    try:
        yield active
    except BaseException:
        active.finish(exit_code=1)
        raise
    with in_one_line():
        active.finish()
