"""Proofs of what generated projects promise, run inside projects that have the code.

A team that generated a project keeps the tests that it will extend. What proves the
code itself (kills, concurrency, parity with the libraries over generated inputs, real
servers) is here, in ``tests/proofs/``: a folder for each choice that brings the code,
and for the code that depends on no choice (``always``, ``serving``), which is proven
once. The folders are copied into a project that made the choices, and run by its Python.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.generating import TEMPLATE, generate
from tests.interpreters import interpreter
from tests.machine import environment

PROOFS = TEMPLATE / "tests/proofs"
# What the proofs need beyond what a project has.
PACKAGES = ["hypothesis", "openpyxl", "promql-parser"]

# project -> Python, answers that differ from the defaults, folders of proofs
PROJECTS = {
    "mlflow and fastapi": (
        "3.12",
        {"monitoring": "evidently"},
        [
            *("registry", "mlflow", "responsible_ai", "dvc", "contract", "fastapi"),
            *("monitoring", "alerts", "retraining", "rates"),
        ],
    ),
    "a folder and flask": (
        "3.11",
        {
            "data_versioning": "none",
            "experiment_tracking": "none",
            "serving": "flask",
            "monitoring": "evidently",
        },
        [
            *("always", "registry", "folder", "serving", "contract", "flask"),
            *("monitoring", "alerts", "retraining"),
        ],
    ),
    "wandb and bentoml": (
        "3.13",
        {
            "data_versioning": "none",
            "experiment_tracking": "wandb",
            "responsible_ai": "no",
            "serving": "bentoml",
            "monitoring": "nannyml",
        },
        ["wandb", "contract", "monitoring", "alerts"],
    ),
}


def test_every_proof_is_run_in_some_project() -> None:
    run = {group for _, _, groups in PROJECTS.values() for group in groups}
    assert {path.parent.name for path in PROOFS.glob("*/test_*.py")} <= run


@pytest.mark.slow
@pytest.mark.parametrize("name", PROJECTS)
def test_the_proofs_hold(name: str, folder: Path) -> None:
    version, answers, groups = PROJECTS[name]
    project = generate(folder, python_version=version, **answers)
    variables = environment(interpreter(version))
    run(["make", "setup"], project, variables)
    python = str(project / ".venv/bin/python")
    constraints = ["-c", str(TEMPLATE / "constraints.txt")]
    run(
        [
            "uv",
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            *PACKAGES,
            *constraints,
        ],
        project,
        variables,
    )
    copies = [project / "tests/proofs" / group for group in groups]
    for copy in copies:
        shutil.copytree(PROOFS / copy.name, copy)
    for shared in PROOFS.glob("*.py"):
        shutil.copy(shared, project / "tests/proofs")
    for copy in copies:  # each in a process of its own: one leaves nothing to another
        run([python, "-m", "pytest", "--quiet", str(copy)], project, variables)


def run(command: list[str], project: Path, variables: dict[str, str]) -> None:
    """Run a command in a project; its output is what the test says if it fails."""
    done = subprocess.run(
        command,
        cwd=project,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
