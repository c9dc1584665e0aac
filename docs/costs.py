"""Measures what a choice adds to a project: installed megabytes, and seconds.

The default project, and the same without the choice, are each installed in a fresh
environment; the cost of the choice is the difference. Seconds are processor time of all
processes together: unlike time on the wall, it hardly depends on what else the machine
does, so that differences can be told from noise.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
NOTHING = "none"


def measure(choices: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Install the default project, and it without each choice; return the costs.

    Args:
        choices: (question, choice) of the default answers that can be declined.

    Returns:
        What ``docs/options_measured.json`` holds.
    """
    with tempfile.TemporaryDirectory() as folder:
        default = bake(Path(folder) / "default", {})
        files = sum(path.is_file() for path in default.rglob("*"))
        needs = needs_of(default)
        install(default)  # fills the cache, for the others too: they need less
        cost = cost_of(default)
        added = {}
        for question, choice in choices:
            without = bake(Path(folder) / question, {question: NOTHING})
            lean = cost if needs_of(without) == needs else cost_of(without)
            difference = {key: round(cost[key] - lean[key], 1) for key in cost}
            added[f"{question}={choice}"] = difference
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": os.cpu_count(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "default": cost | {"files": files},
        "choices": added,
    }


def bake(folder: Path, answers: dict[str, str]) -> Path:
    """Generate a project and return its folder."""
    made = cookiecutter(
        str(TEMPLATE), no_input=True, extra_context=answers, output_dir=str(folder)
    )
    return Path(made)


def needs_of(project: Path) -> dict[str, bytes]:
    """Return the files that decide what is installed and what the tests run."""
    paths = [*project.glob("*.txt"), *project.rglob("*.py")]
    return {str(path.relative_to(project)): path.read_bytes() for path in paths}


def cost_of(project: Path) -> dict[str, float]:
    """Return the megabytes, and the seconds to install and to test, of a project."""
    seconds = timed(lambda: install(project))
    environment = project / ".venv"
    size = sum(p.stat().st_size for p in environment.rglob("*") if not p.is_symlink())
    command = [str(environment / "bin/python"), "-m", "pytest", "--quiet", "tests"]
    return {
        "megabytes": round(size / 1e6, 1),
        "install_seconds": round(seconds, 1),
        "test_seconds": round(timed(lambda: run(project, *command)), 1),
    }


def install(project: Path) -> None:
    """Make a fresh environment for a project and install everything into it."""
    run(project, "uv", "venv", "--quiet", "--clear", "--python", sys.executable)
    command = ["uv", "pip", "install", "--quiet"]
    run(project, *command, "--python", ".venv/bin/python", "-r", "requirements.txt")


def timed(action: Callable[[], None]) -> float:
    """Return the seconds of processor time of the commands that an action runs."""

    def spent() -> float:
        times = os.times()
        return times.children_user + times.children_system

    start = spent()
    action()
    return spent() - start


def run(folder: Path, *command: str) -> None:
    """Run a command in a folder.

    Raises:
        subprocess.CalledProcessError: If it fails.
    """
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
