"""What DVC runs in a copy of the project: the copy's code, and nothing of the project.

The project is itself a copy, in git, with little to train and to draw; PYTHONPATH names
it to every process, as an editable install does.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.utils.config import PROJECT_ROOT

Run = Callable[..., str]

PARTS = "config data docs models scripts src dvc.yaml .dvcignore .gitignore".split()
# What the stages write is made anew.
WRITTEN = {
    "data": ("raw", "processed", "features"),
    "models": ("registry", "latest_model*", "search.db*"),
}
LITTLE = {
    "config/model_config.yaml": ("max_iter: 100", "max_iter: 4"),
    "config/pipeline_config.yaml": ("bootstrap_samples: 1000", "bootstrap_samples: 10"),
}
PARAMETER = "config/model_config.yaml:model.params.max_iter"
# A file that each stage loads, and what is written into it to be seen in the record.
EDITED = "src/models/artifact.py"
EDIT = ('"python": platform', '"edited": True, "python": platform')
# Stands for `python -m`, and writes which files of the folder were loaded.
TRACE = """
import runpy, sys
from pathlib import Path
trace, sys.argv = sys.argv[1], sys.argv[2:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    here = Path.cwd()
    files = {str(getattr(m, "__file__", None)) for m in [*sys.modules.values()]}
    ours = [Path(f) for f in files if Path(f).is_relative_to(here)]
    Path(trace).write_text("\\n".join(p.relative_to(here).as_posix() for p in ours))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in git, whose stages have run and are committed."""
    folder = tmp_path_factory.mktemp("workspace") / "project"
    for name in PARTS:
        source, target = PROJECT_ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", *WRITTEN.get(name, ()))
            shutil.copytree(source, target, ignore=ignored)
        else:
            shutil.copy(source, target)
    for name, (old, new) in LITTLE.items():
        replace(folder / name, old, new)
    for command in (
        "git init --quiet",
        "git config user.name me",
        "git config user.email me@example.org",
        "dvc init --quiet",
        "dvc repro --quiet",
        "git add .",
        "git commit --quiet --message all",
    ):
        call(folder, *command.split())
    return folder


@pytest.fixture
def untouched(project: Path) -> Iterator[Path]:
    """The project, which a test leaves as it was, byte for byte."""
    before = contents(project)
    yield project
    assert contents(project) == before
    assert call(project, "git", "status", "--short") == ""


def call(folder: Path, *command: str) -> str:
    """Run a command with the project's environment active; return its output."""
    bins = str(Path(sys.executable).parent)
    added = {
        "PATH": os.pathsep.join([bins, os.environ["PATH"]]),
        "PYTHONPATH": str(folder if (folder / ".dvc").exists() else PROJECT_ROOT),
        "DVC_NO_ANALYTICS": "1",
    }
    left_out = {"MLFLOW_TRACKING_URI", "PYTEST_CURRENT_TEST"}
    variables = {k: v for k, v in os.environ.items() if k not in left_out} | added
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, (command, done.stdout + done.stderr)
    return done.stdout


def replace(path: Path, old: str, new: str) -> None:
    """Replace a text that a file has once."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of each file, without what is git's and DVC's own."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in files
        if not {".git", ".dvc", "__pycache__"} & set(path.relative_to(folder).parts)
    }


def record_of(project: Path, experiment: str) -> Any:
    """Return the record of the model that an experiment made."""
    ask = "import dvc.api, sys; print(dvc.api.read(sys.argv[1], rev=sys.argv[2]))"
    path = "models/latest_model.json"
    return json.loads(call(project, sys.executable, "-c", ask, path, experiment))


def test_an_experiment_in_a_copy_leaves_the_project_alone(untouched: Path) -> None:
    before = contents(untouched)
    call(untouched, *f"dvc exp run --temp --name copied -S {PARAMETER}=7".split())
    assert contents(untouched) == before
    assert record_of(untouched, "copied")["hyperparameters"]["max_iter"] == 7

    # Its run in MLflow was one of the copy.
    call(untouched, *"dvc exp apply copied".split())
    assert "roc_auc" in call(untouched, *"dvc metrics diff".split())
    call(untouched, *"python scripts/evaluation.py".split())
    call(untouched, *"git checkout --quiet .".split())
    call(untouched, *"dvc checkout --quiet".split())


def test_an_experiment_from_the_queue_runs_the_code_that_was_queued(
    untouched: Path,
) -> None:
    call(untouched, *f"dvc exp run --queue --name plain -S {PARAMETER}=5".split())
    replace(untouched / EDITED, *EDIT)
    call(untouched, *f"dvc exp run --queue --name edited -S {PARAMETER}=6".split())
    call(untouched, "git", "checkout", "--quiet", EDITED)
    call(untouched, *"dvc exp run --run-all".split())
    plain, edited = (record_of(untouched, name) for name in ("plain", "edited"))
    assert (plain["hyperparameters"]["max_iter"], "edited" in plain) == (5, False)
    assert (edited["hyperparameters"]["max_iter"], "edited" in edited) == (6, True)


def test_the_metrics_that_are_compared_are_those_of_the_test_rows(
    project: Path,
) -> None:
    report = json.loads((project / "reports/evaluation.json").read_text("utf-8"))
    shown = json.loads(call(project, *"dvc metrics show --json".split()))
    (file,) = shown[""]["data"].values()
    assert list(file["data"])[0] == report["primary_metric"]
    assert file["data"] == {k: v["value"] for k, v in report["metrics"].items()}


def test_the_pictures_are_plots(project: Path, tmp_path: Path) -> None:
    call(project, "dvc", "plots", "diff", "HEAD", "--out", str(tmp_path / "plots"))
    drawn = {path.name for path in tmp_path.rglob("*.svg")}
    for name in ("roc_curve", "calibration"):
        assert any(name in picture for picture in drawn), drawn


@pytest.mark.parametrize("stage", ["preprocess", "train", "evaluate"])
def test_a_stage_depends_on_all_code_that_it_loads(
    project: Path, stage: str, tmp_path: Path
) -> None:
    pipeline = yaml.safe_load((project / "dvc.yaml").read_text("utf-8"))
    command = pipeline["stages"][stage]["cmd"].replace("${env}", "dev").split()
    assert command[:2] == ["python", "-m"]
    trace = tmp_path / "loaded"
    call(project, sys.executable, "-c", TRACE, str(trace), *command[2:])
    loaded = set(trace.read_text("utf-8").split())
    deps = {
        next(iter(dep)) if isinstance(dep, dict) else dep
        for dep in pipeline["stages"][stage]["deps"]
    }
    forgotten = {
        file
        for file in loaded
        if not deps & {file, *map(str, Path(file).parents)}
        and (project / file).read_bytes()  # `__init__.py`
    }
    assert "src/utils/files.py" in loaded and not forgotten
