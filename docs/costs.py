"""Measures what presets and choices bring: files, lines, megabytes and seconds.

The default project, and the same without the choice, are each installed in a fresh
environment; the cost of the choice is the difference. Seconds are processor time of all
processes together: unlike time on the wall, it hardly depends on what else the machine
does, so that differences can be told from noise.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).resolve().parents[1]
VENV = ("uv", "venv", "--quiet", "--clear")
INSTALL = ("uv", "pip", "install", "--quiet")


class Choice(NamedTuple):
    """A choice, and the one of the same question that declines it."""

    question: str
    choice: str
    declined: str


def measure(presets: Iterable[str], choices: Iterable[Choice]) -> dict[str, Any]:
    """Install each preset, and the default project with and without each choice.

    Args:
        presets: The answers of the question ``preset``.
        choices: What can be declined.

    Returns:
        What ``docs/options_measured.json`` holds.
    """
    with tempfile.TemporaryDirectory() as folder:
        install(bake(Path(folder) / "default", {}))  # fills the cache, for all
        known: dict[str, dict[str, float]] = {}

        def cost(question: str, choice: str) -> dict[str, float]:
            """Return the cost of the default project with another answer."""
            name = f"{question}-{choice}"
            project = bake(Path(folder) / name, {question: choice})
            needs = repr(sorted(needs_of(project).items()))
            size = size_of(project)  # before there is a .venv
            if needs not in known:
                known[needs] = cost_of(project)
            shutil.rmtree(project)
            return size | known[needs]

        whole = {preset: cost("preset", preset) for preset in presets}

        added = {}
        for question, choice, declined in choices:
            rich, lean = cost(question, choice), cost(question, declined)
            difference = {key: round(rich[key] - lean[key], 1) for key in rich}
            added[f"{question}={choice}"] = difference
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": os.cpu_count(),
        "python": ".".join(map(str, sys.version_info[:2])),
        "presets": whole,
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


def size_of(project: Path) -> dict[str, float]:
    """Return how many files a project has, and lines of Python."""
    files = [path for path in project.rglob("*") if path.is_file()]
    python = [path for path in files if path.suffix == ".py"]
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in python)
    return {"files": len(files), "lines": lines}


def cost_of(project: Path) -> dict[str, float]:
    """Return the megabytes, and the seconds to install and to test, of a project."""
    seconds = timed(lambda: install(project))
    environments = [path.rglob("*") for path in project.glob(".venv*")]
    files = [path for path in chain(*environments) if not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    command = [str(project / ".venv/bin/python"), "-m", "pytest", "--quiet", "tests"]
    return {
        "megabytes": round(size / 1e6, 1),
        "install_seconds": round(seconds, 1),
        "test_seconds": round(timed(lambda: run(project, *command)), 1),
    }


def install(project: Path) -> None:
    """Make each environment of a project afresh, and install everything into it."""
    for path in project.glob("requirements*.txt"):
        environment = f".venv{path.stem.removeprefix('requirements')}"
        run(project, *VENV, "--python", sys.executable, environment)
        run(project, *INSTALL, "--python", environment, "-r", path.name)


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
