"""What is recorded of a training and of its evaluation, whatever the backend."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pandas import DataFrame

from scripts import evaluation
from src.data.preprocessing import preprocess
from src.evaluation.promotion import promote
from src.models.artifact import load_record
from src.models.registry import make_registry
from src.tracking import recording
from src.tracking.recording import installed, run_of, tracking_of
from src.tracking.tracker import NoTracker, Tracker, make_tracker
from src.training import train as train_module
from src.training.train import train
from src.utils.config import Settings, TrackingSettings
from src.utils.errors import ConfigError, DataError
from tests.fixtures.synthetic import bring

MakeProject = Callable[..., Settings]


@dataclass
class Run:
    """What was recorded of one run."""

    name: str
    parent: str | None
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    steps: list[tuple[int, str, float]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    state: str = "running"


class Notebook(Tracker):
    """Records in memory."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.models: list[str] = []

    @contextmanager
    def run(self, name: str, parent: str | None = None) -> Iterator[str]:
        run_id = str(len(self.runs))
        self.runs[run_id] = Run(name, parent)
        with self.resume(run_id):
            yield run_id

    @contextmanager
    def resume(self, run_id: str) -> Iterator[str]:
        try:
            yield run_id
        except BaseException:
            self.runs[run_id].state = "failed"
            raise
        self.runs[run_id].state = "finished"

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        self.runs[run_id].params |= params

    def log_metrics(
        self, run_id: str, metrics: Mapping[str, float], step: int | None = None
    ) -> None:
        self.runs[run_id].metrics |= {k: float(v) for k, v in metrics.items()}
        if step is not None:
            self.runs[run_id].steps += [(step, k, v) for k, v in metrics.items()]

    def log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.runs[run_id].tags |= tags

    def log_file(self, run_id: str, path: Path, folder: str = "") -> None:
        assert path.exists()
        self.runs[run_id].files.add(f"{folder}/{path.name}")

    def log_text(self, run_id: str, text: str, name: str) -> None:
        assert text
        self.runs[run_id].files.add(name)

    def log_model(self, run_id: str, pipeline: Any, example: DataFrame) -> None:
        assert len(pipeline.predict(example)) == len(example) > 0
        self.models.append(run_id)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """Where the trainings and evaluations of a test are recorded."""
    found = Notebook()
    for module in (train_module, recording):
        monkeypatch.setattr(module, "make_tracker", lambda _: found)
    return found


def prepared(make_project: MakeProject, **sections: Any) -> Settings:
    settings = make_project(tracking={"backend": "notebook"}, **sections)
    bring(settings)
    preprocess(settings)
    return settings


def test_a_training_is_recorded_with_what_it_was_made_from(
    make_project: MakeProject, notebook: Notebook
) -> None:
    settings = prepared(make_project, model={"type": "linear", "params": {"C": 0.5}})

    train(settings)

    (run,) = notebook.runs.values()
    assert (run.name, run.state, notebook.models) == ("train linear", "finished", ["0"])
    assert run.params["C"] == 0.5 and run.params["seed"] == 42
    assert run.params["preprocessing.split.test_size"] == 0.2
    assert 0.5 < run.metrics["train.roc_auc"] <= 1
    assert len(run.tags["train_sha256"]) == len(run.tags["source_sha256"]) == 64
    assert {"code_revision", "python"} <= run.tags.keys()
    assert run.files == {
        "configuration.yaml",
        "environment.txt",
        "saved/latest_model.joblib",
        "saved/latest_model.json",
    }


def test_each_fold_is_a_run_within_the_run(
    make_project: MakeProject, notebook: Notebook
) -> None:
    folds = {"strategy": "cross_validation", "folds": 3}
    settings = prepared(make_project, training=folds)

    train(settings)

    whole, *parts = notebook.runs.values()
    assert [(p.name, p.parent) for p in parts] == [(f"fold {n}", "0") for n in range(3)]
    assert all(0 < part.metrics["roc_auc"] <= 1 for part in parts)
    assert "cross_validation.roc_auc.mean" in whole.metrics


def test_each_trial_of_a_search_is_a_run_within_the_run(
    make_project: MakeProject, notebook: Notebook
) -> None:
    settings = prepared(
        make_project,
        training={"strategy": "hyperparameter_search", "folds": 2},
        # A negative one is refused.
        search={"trials": 4, "space": {"linear": {"C": {"choices": [1.0, -1.0]}}}},
    )

    train(settings)

    runs = [run for run in notebook.runs.values() if run.name.startswith("trial")]
    record = load_record(settings.paths.models / "latest_model.joblib")
    assert len(runs) == 4
    assert {run.tags["state"] for run in runs} == {"complete", "fail"}
    for run, trial in zip(runs, record["search"]["trials"], strict=True):
        assert (run.parent, run.params) == ("0", trial["params"])
        assert run.tags == {"state": trial["state"]}
        assert run.metrics.get("value") == trial["value"]
        means = trial["intermediate"]
        assert run.steps == [(n, "fold", mean) for n, mean in enumerate(means)]


def test_an_evaluation_adds_to_the_run_that_made_the_model(
    make_project: MakeProject, notebook: Notebook
) -> None:
    settings = prepared(make_project)
    train(settings)

    model = settings.paths.models / "latest_model.joblib"
    evaluation.evaluate_files(model, settings.paths.processed / "test.csv", settings)

    (run,) = notebook.runs.values()
    assert 0.5 < run.metrics["test.roc_auc"] <= 1
    assert run.metrics["test.roc_auc.low"] <= run.metrics["test.roc_auc"]
    assert {"report/evaluation.html", "plots/roc_curve.svg"} <= run.files
    assert len(run.tags["test_sha256"]) == 64


@pytest.mark.parametrize(
    ("limit", "override", "verdict"),
    [(0.5, False, "passed"), (1.0, False, "refused"), (1.0, True, "overridden")],
)
def test_a_decision_adds_to_the_run_that_made_the_model(
    make_project: MakeProject,
    notebook: Notebook,
    tmp_path: Path,
    limit: float,
    override: bool,
    verdict: str,
) -> None:
    settings = prepared(
        make_project,
        gate={"thresholds": {"roc_auc": limit}},
        registry={"cards": tmp_path},
    )
    (tmp_path / "intended_use.md").write_text("To test.", "utf-8")
    train(settings)

    model = settings.paths.models / "latest_model.joblib"
    promote(model, settings, "a test", override=override)

    (run,) = notebook.runs.values()
    assert (run.tags["version"], run.tags["gate"]) == ("1", verdict)
    assert {"report/gate.json", "report/gate.md"} <= run.files
    assert run.state == "finished"


def test_where_a_decision_cannot_be_recorded_nothing_is_decided(
    make_project: MakeProject,
    notebook: Notebook,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = prepared(make_project, registry={"cards": tmp_path})
    (tmp_path / "intended_use.md").write_text("To test.", "utf-8")
    train(settings)

    def fail(_: str) -> None:
        raise ConfigError("no such run")

    monkeypatch.setattr(notebook, "resume", fail)
    model = settings.paths.models / "latest_model.joblib"
    with pytest.raises(ConfigError, match="no such run"):
        promote(model, settings, "a test")

    assert make_registry(settings).history() == []


def test_a_dry_run_is_not_recorded(
    make_project: MakeProject, notebook: Notebook
) -> None:
    settings = prepared(make_project)
    train(settings)

    model = settings.paths.models / "latest_model.joblib"
    promote(model, settings, "a test", dry_run=True)

    (run,) = notebook.runs.values()
    assert "gate" not in run.tags


def test_a_training_that_fails_leaves_a_failed_run(
    make_project: MakeProject, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = prepared(make_project)

    def fail(*_: Any) -> None:
        raise DataError("broken")

    monkeypatch.setattr(train_module.ModelTrainer, "build_model", fail)

    with pytest.raises(DataError):
        train(settings)

    (run,) = notebook.runs.values()
    assert run.state == "failed"


def test_nothing_is_recorded_without_a_backend(make_project: MakeProject) -> None:
    settings = make_project()
    tracker = make_tracker(settings)

    with tracker.run("x") as run_id, tracker.resume(run_id):
        tracker.log_params(run_id, {"a": 1})
        tracker.log_metrics(run_id, {"a": 1})
        tracker.log_tags(run_id, {"a": "b"})
        tracker.log_file(run_id, Path("nowhere"))
        tracker.log_text(run_id, "text", "name")
        tracker.log_model(run_id, None, DataFrame())

    assert isinstance(tracker, NoTracker)
    assert tracking_of(settings, run_id) is None


def test_an_unknown_backend_is_named_with_those_there_are(
    make_project: MakeProject,
) -> None:
    settings = make_project(tracking={"backend": "paper"})

    with pytest.raises(ConfigError, match="tracking.backend: found 'paper', .*none"):
        make_tracker(settings)


def test_a_run_is_known_only_where_it_was_recorded(make_project: MakeProject) -> None:
    settings = make_project(tracking={"backend": "one"})
    record = {"tracking": tracking_of(settings, "7")}
    elsewhere = settings.model_copy(update={"tracking": TrackingSettings()})

    assert run_of(record, settings) == "7"
    assert run_of(record, elsewhere) is None
    assert run_of({"tracking": None}, settings) is None


def test_the_environment_names_what_is_installed() -> None:
    pins = installed().splitlines()

    assert any(pin.startswith("scikit-learn==") for pin in pins)
    assert pins == sorted(pins, key=str.lower)
