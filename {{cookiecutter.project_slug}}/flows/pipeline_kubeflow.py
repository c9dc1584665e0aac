"""The pipeline for Kubeflow, written for a cluster, and run once here.

    make flow

It runs in .venv-orchestration, where src is not installed: each stage is a command of
the project, in the project's own environment, and files go from one to the next. On a
cluster these are on a volume, at FOLDER, where `make setup` has run with IMAGE.
"""

# The project's own environment, in which mypy runs, lacks what decorates below.
# mypy: disallow-untyped-decorators=False

import os
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from kfp import compiler, dsl, kubernetes, local

ROOT = Path(__file__).resolve().parents[1]
IMAGE = f"python:{(ROOT / '.python-version').read_text(encoding='utf-8').strip()}"
VOLUME, FOLDER = "project", "/project"  # a claim, and where it is mounted
COMMANDS = {
    "download": "python scripts/data_download.py",
    "prepare": "python src/data/preprocessing.py --config config/pipeline_config.yaml",
    "train": "python src/training/train.py --model-config config/model_config.yaml",
    "evaluate": "python scripts/evaluation.py",
    "promote": "make promote WHY='the flow'",  # with what else belongs to it
}
RETRIES, RETRY_SECONDS = 2, 60
ONCE = "promote"  # what the gate has refused, it refuses again


def run(stage: str, command: str, folder: str) -> None:
    """Run a stage; only this function goes to the cluster, so that it imports alone."""
    import os
    import subprocess

    path = f"{folder}/.venv/bin:{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path}
    done = subprocess.run(command, shell=True, cwd=folder, env=variables, check=False)
    if done.returncode:
        raise RuntimeError(f"stage {stage} failed with status {done.returncode}")


def notify(status: dsl.PipelineTaskFinalStatus) -> None:
    """Say that it failed, in the log and to the webhook of FAILURE_WEBHOOK."""
    import json
    import os
    from urllib.request import Request, urlopen

    if status.state == "SUCCEEDED":
        return
    text = f"{status.pipeline_job_resource_name} failed: {status.error_message}"
    print(text)
    if url := os.environ.get("FAILURE_WEBHOOK"):
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(url, body, headers), timeout=10).close()


def build(here: bool) -> Any:
    """Return the pipeline, to be run here or on a cluster, whose image lacks kfp."""
    options: Any = {"base_image": IMAGE, "install_kfp_package": not here}
    stage_run, told = (dsl.component(f, **options) for f in (run, notify))

    @dsl.pipeline(name="pipeline")
    def pipeline(folder: str = FOLDER) -> None:
        """Take the data to a measured model, and let the gate decide."""
        last, before = told(), list[Any]()
        if not here:
            keys = {"url": "FAILURE_WEBHOOK"}
            kubernetes.use_secret_as_env(last, "failure-webhook", keys, optional=True)
        with dsl.ExitHandler(last):
            for stage, command in COMMANDS.items():
                task = stage_run(stage=stage, command=command, folder=folder)
                task.set_display_name(stage).set_caching_options(False).after(*before)
                if stage != ONCE:
                    task.set_retry(RETRIES, f"{RETRY_SECONDS}s", 1)
                if not here:
                    kubernetes.mount_pvc(task, VOLUME, FOLDER)
                before = [task]

    return pipeline


if __name__ == "__main__":
    written = ROOT / "build/pipeline.yaml"
    written.parent.mkdir(exist_ok=True)
    compiler.Compiler().compile(build(here=False), str(written))
    print(f"{written}: for a cluster; now once here")
    if url := dotenv_values(ROOT / ".env").get("FAILURE_WEBHOOK"):
        os.environ.setdefault("FAILURE_WEBHOOK", url)
    local.init(local.SubprocessRunner(use_venv=False), str(ROOT / ".kubeflow"))
    build(here=True)(folder=str(ROOT))
