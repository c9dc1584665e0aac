"""The pipeline as one of ZenML, which is run once, or on a schedule.

    make flow
    make flow-schedule

It runs in .venv-orchestration, where src is not installed: each stage is a command of
the project, in the project's own environment, and files go from one to the next.
"""

# The project's own environment, in which mypy runs, lacks what decorates below.
# mypy: disallow-untyped-decorators=False

import atexit
import json
import logging
import os
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen
from typing import Any
from urllib.request import Request, urlopen

from dotenv import dotenv_values
from zenml import get_step_context, pipeline, step
from zenml.config.retry_config import StepRetryConfig
from zenml.config.schedule import Schedule
from zenml.logger import get_logger

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


@step
def run(stage: str) -> None:
    """Run a stage, and log what it says; the last line is why it failed."""
    last = ""
    options: dict[str, Any] = {"cwd": ROOT, "env": ENVIRONMENT, "text": True}
    options |= {"stdout": PIPE, "stderr": STDOUT}
    with Popen(COMMANDS[stage], shell=True, **options) as process:
        for line in map(str.rstrip, process.stdout or ()):
            print(line)  # which ZenML keeps, too
            last = last if line.startswith("make") else line or last
    if process.returncode:
        raise RuntimeError(f"stage {stage} failed: {last}")


def notify(error: BaseException) -> None:
    """Say what failed, in the log and to the webhook of FAILURE_WEBHOOK."""
    text = f"{get_step_context().pipeline_run.name}: {error}"
    get_logger(__name__).error(text)
    variables = {**dotenv_values(ROOT / ".env"), **os.environ}
    if url := variables.get("FAILURE_WEBHOOK"):
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(url, body, headers), timeout=10).close()


# What a stage reads is not known to ZenML, so that nothing may come from its cache.
@pipeline(name="pipeline", enable_cache=False, on_failure=notify)
def flow() -> None:
    """Take the data to a measured model, and let the gate decide."""
    retry = StepRetryConfig(max_retries=RETRIES, delay=RETRY_SECONDS)
    before = list[str]()
    for stage in COMMANDS:
        one = run if stage == ONCE else run.with_options(retry=retry)
        one(stage, id=stage, after=before)
        before = [stage]


if __name__ == "__main__":
    # OpenTelemetry would start a thread there, which Python refuses since 3.12.
    atexit.unregister(logging.shutdown)
    try:
        if sys.argv[1:] == ["--schedule"]:
            flow.with_options(schedule=Schedule(cron_expression=CRON))()
        else:
            flow()
    except (RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
