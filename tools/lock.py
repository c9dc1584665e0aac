"""`make lock`: renew the pins of this repository, and of the project for all choices.

A set of pins that fits all choices together fits each combination of them, because
leaving a requirement out never makes a set unsolvable. The names of the packages also
go to ``cookiecutter.json``: no project may be called like one of them.

No pin goes down: the newest version of a package may ask for an old one of another,
and what was pinned is the least that is taken. Where that cannot be, nothing is
written.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = ROOT / "cookiecutter.json"
PYTHONS = sorted(json.loads(QUESTIONS.read_text("utf-8"))["python_version"])
WINDOWS_NAMES = {"aux", "con", "nul", "prn"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)
}
INSTALLERS = {"pip", "setuptools", "wheel"}


def main() -> None:
    """Write both ``constraints.txt``, and the names that the template takes."""
    wanted = {
        ROOT / "constraints.txt": "\n".join(development()),
        PROJECT
        / "constraints.txt": requirements_of_all_choices(
            (PROJECT / "requirements.txt").read_text(encoding="utf-8")
        ),
    }
    for constraints, requirements in wanted.items():
        renew(constraints, requirements)
    pins = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    line = re.compile(r'^  "_taken_slugs": .*$', re.MULTILINE)
    questions = QUESTIONS.read_text(encoding="utf-8")
    taken = f'  "_taken_slugs": {json.dumps(taken_slugs(pins))},'
    QUESTIONS.write_text(line.sub(taken, questions), encoding="utf-8")


def renew(constraints: Path, requirements: str) -> None:
    """Pin the newest versions that satisfy requirements, none older than before.

    Args:
        constraints: The file of the pins, as they were and as they will be.
        requirements: One a line.

    Raises:
        SystemExit: If a pin would have to go down; the file is as it was.
    """
    pins = constraints.read_text(encoding="utf-8")
    options = ["--universal", "--python-version", PYTHONS[0], "--upgrade"]
    quiet = ["--quiet", "--no-annotate", "--no-header", "--no-emit-index-url"]
    with tempfile.TemporaryDirectory() as folder:
        floors, renewed = Path(folder) / "floors.txt", Path(folder) / "renewed.txt"
        floors.write_text(re.sub("(?m)^([^=;]+)==", r"\1>=", pins), encoding="utf-8")
        files = ["--constraints", str(floors), "--output-file", str(renewed), "-"]
        command = ["uv", "pip", "compile", *options, *quiet, *files]
        if subprocess.run(command, input=requirements, text=True).returncode:
            advice = "to let a pin go down all the same, remove its line"
            sys.exit(f"{constraints} is as it was, as no pin may go down; {advice}")
        text = renewed.read_text(encoding="utf-8")
    constraints.write_text(text, encoding="utf-8")


def development() -> list[str]:
    """Return what the repository itself needs: the group ``dev``."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    group: list[str] = tomllib.loads(text)["dependency-groups"]["dev"]
    return group


def requirements_of_all_choices(template: str) -> str:
    """Return the requirements with every block kept, without pip's own options."""
    lines = template.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("{%", "-")))


def taken_slugs(constraints: str) -> str:
    """Return what no project may be called, separated by spaces.

    These are the packages that ``constraints`` pins, those that install them, and the
    names that Windows reserves.
    """
    lines = [line for line in constraints.splitlines() if "==" in line]
    packages = {re.sub(r"[-_.]+", "-", line.split("==")[0].lower()) for line in lines}
    return " ".join(sorted(packages | WINDOWS_NAMES | INSTALLERS))


if __name__ == "__main__":
    main()
