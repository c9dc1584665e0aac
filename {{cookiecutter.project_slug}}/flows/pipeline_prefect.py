"""The pipeline as a flow of Prefect, which is run once, or on a schedule.

    make flow
    make flow-serve

It runs in .venv-orchestration, where src is not installed: each stage is a command of
the project, in the project's own environment, and files go from one to the next.
"""

# The project's own environment, in which mypy runs, lacks what decorates below.
# mypy: disallow-untyped-decorators=False

import json
import os
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any
from urllib.request import Request, urlopen

from dotenv import dotenv_values
from prefect import flow, get_run_logger, task

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
COMMANDS = {
    "download": "python scripts/data_download.py",
    "prepare": "python src/data/preprocessing.py --config config/pipeline_config.yaml",
    "train": "python src/training/train.py --model-config config/model_config.yaml",
    "evaluate": "python scripts/evaluation.py",
    "promote": "make promote WHY='the flow'",  # with what else belongs to it
}
CRON = "0 3 * * *"  # when it is run: minute, hour, day, month, day of the week
RETRIES, RETRY_SECONDS = 2, 60
ONCE = "promote"  # what the gate has refused, it refuses again


@task(retry_delay_seconds=RETRY_SECONDS)
def run(stage: str) -> None:
    """Run a stage, and log what it says; the last line is why it failed."""
    logger, last = get_run_logger(), ""
    options: dict[str, Any] = {"cwd": ROOT, "env": ENVIRONMENT, "text": True}
    options |= {"stdout": PIPE, "stderr": STDOUT}
    with Popen(COMMANDS[stage], shell=True, **options) as process:
        for line in map(str.rstrip, process.stdout or ()):
            logger.info(line)
            last = last if line.startswith("make") else line or last
    if process.returncode:
        raise RuntimeError(f"stage {stage} failed: {last}")


def notify(failed: Any, flow_run: Any, state: Any) -> None:
    """Tell the webhook of FAILURE_WEBHOOK, if there is one; Prefect has logged it."""
    variables = {**dotenv_values(ROOT / ".env"), **os.environ}
    if url := variables.get("FAILURE_WEBHOOK"):
        text = f"{failed.name} {flow_run.name}: {state.message}"
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(url, body, headers), timeout=10).close()


@flow(on_failure=[notify])
def pipeline() -> None:
    """Take the data to a measured model, and let the gate decide."""
    for stage in COMMANDS:
        retries = 0 if stage == ONCE else RETRIES
        run.with_options(name=stage, retries=retries)(stage)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        pipeline.serve(name="scheduled", cron=CRON, limit=1)
    else:
        state = pipeline(return_state=True)
        sys.exit(state.message if state.is_failed() else 0)
