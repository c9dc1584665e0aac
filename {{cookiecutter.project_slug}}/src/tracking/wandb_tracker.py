"""Runs of Weights & Biases: written offline beside the models, synced when you say so.

``WANDB_MODE=online`` sends them as they are made. Runs that belong together, such as
the folds of a training, share a group.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# First, because wandb reads variables when it is imported.
from src.tracking.wandb_environment import MODE_NAME

import wandb
from pandas import DataFrame

from src.tracking.tracker import Tracker, ending
from src.utils.config import Settings
from src.utils.errors import ConfigError, TrackingError, reported

FAILURES = (wandb.Error, OSError)


@contextmanager
def recording() -> Iterator[None]:
    """Say in one line that wandb does not take what is recorded.

    Raises:
        TrackingError: If it does not.
    """
    what = "the run cannot be recorded with wandb"
    advice = (
        "see whether the disk has room; MLOPS_TRACKING__BACKEND=none records nothing"
    )
    with reported(FAILURES, TrackingError, what, advice):
        yield


class WandbTracker(Tracker):
    """Records runs in a project of Weights & Biases."""

    def __init__(self, project: str, folder: Path) -> None:
        """Take the project to record in, and where offline runs are written."""
        self.project = project
        self.folder = folder
        self._open: dict[str, Any] = {}

    @contextmanager
    def run(self, name: str, parent: str | None = None) -> Iterator[str]:
        """Start a run; see ``Tracker``."""
        with self._started(
            name=name, group=parent, job_type="part" if parent else None
        ):
            yield self._last

    @contextmanager
    def resume(self, run_id: str) -> Iterator[str]:
        """Add to a run that has ended; see ``Tracker``."""
        with self._started(id=run_id, resume="allow"):
            yield run_id

    @contextmanager
    def _started(self, **options: Any) -> Iterator[None]:
        """Open a run with the block; as failed if the block raises."""
        with reported(
            FAILURES,
            ConfigError,
            f"{MODE_NAME}, WANDB_API_KEY: no run could be started in {self.folder}",
            f"set {MODE_NAME}=offline to record on this machine",
        ):
            self.folder.mkdir(parents=True, exist_ok=True)
            run = wandb.init(
                project=self.project,
                dir=str(self.folder),
                reinit="create_new",
                settings=wandb.Settings(
                    console="off",
                    x_disable_meta=True,
                    x_disable_stats=True,
                    disable_git=True,
                    silent=True,
                ),
                **options,
            )
        self._open[run.id] = run
        self._last = run.id
        with ending(partial(self._end, run.id)):
            yield

    @recording()
    def _end(self, run_id: str, is_whole: bool) -> None:
        """End a run."""
        self._open.pop(run_id).finish(exit_code=int(not is_whole))

    @recording()
    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Record what the run was given."""
        self._open[run_id].config.update(dict(params), allow_val_change=True)

    @recording()
    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        """Record numbers that came out; without a step they are the summary."""
        if step is None:
            self._open[run_id].summary.update(dict(metrics))
        else:
            self._open[run_id].log(dict(metrics), step=step)

    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Record what the run can be found by, among its parameters."""
        self.log_params(run_id, {f"tags.{key}": text for key, text in tags.items()})

    @recording()
    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        """Keep a copy of a file with the run."""
        self._save(run_id, path.read_bytes(), f"{folder}/{path.name}")

    @recording()
    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text with the run."""
        self._save(run_id, text.encode("utf-8"), name)

    def _save(self, run_id: str, content: bytes, name: str) -> None:
        """Keep a file of this content with the run, below the folder of its files."""
        run = self._open[run_id]
        path = Path(run.dir) / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        run.save(str(path), base_path=run.dir, policy="now")

    @recording()
    def log_model(self, run_id: str, pipeline: Any, example: DataFrame) -> None:
        """Keep the saved model as an artifact, with an example of its rows."""
        import joblib

        with TemporaryDirectory() as folder:
            joblib.dump(pipeline, Path(folder) / "model.joblib")
            example.to_json(Path(folder) / "input_example.json", orient="records")
            types = {"input": {name: str(t) for name, t in example.dtypes.items()}}
            classes = [str(label) for label in getattr(pipeline, "classes_", [])]
            artifact = wandb.Artifact(
                f"{self.project}-model", "model", metadata=types | {"output": classes}
            )
            artifact.add_dir(folder)
            self._open[run_id].log_artifact(artifact)


def make_tracker(settings: Settings) -> Tracker:
    """Return the tracker; runs go to ``wandb/`` beside the folder of models."""
    project = settings.tracking.experiment or settings.project.name
    return WandbTracker(project, settings.paths.models.parent)
