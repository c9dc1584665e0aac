"""The pipeline as a DAG of Airflow, which is run once, or by its scheduler.

    make flow
    make flow-serve

It runs in .venv-orchestration, where src is not installed: each stage is a command of
the project, in the project's own environment, and files go from one to the next.
"""

import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, chain
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
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


def notify(context: Any) -> None:
    """Say which stage failed, in the log and to the webhook of FAILURE_WEBHOOK."""
    failed = context["task_instance"]
    text = f"pipeline {failed.run_id}: stage {failed.task_id} failed, {failed.log_url}"
    print(text, file=sys.stderr)
    variables = {**dotenv_values(ROOT / ".env"), **os.environ}
    if url := variables.get("FAILURE_WEBHOOK"):
        body = json.dumps({"text": text}).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(url, body, headers), timeout=10).close()


with DAG(
    "pipeline",
    description="Take the data to a measured model, and let the gate decide",
    schedule=CRON,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,  # two would write the same files
    default_args={
        "retry_delay": timedelta(seconds=RETRY_SECONDS),
        "on_failure_callback": notify,
    },
):
    chain(
        *(
            BashOperator(
                task_id=stage,
                bash_command=command,
                cwd=str(ROOT),
                env=ENVIRONMENT,
                append_env=True,
                retries=0 if stage == ONCE else RETRIES,
            )
            for stage, command in COMMANDS.items()
        )
    )
