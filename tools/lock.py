"""`make lock`: renew the pins of the generated project, for all choices at once.

A set of pins that fits all choices together fits each combination of them, because
leaving a requirement out never makes a set unsolvable. The names of the packages also
go to ``cookiecutter.json``: no project may be called like one of them.
"""

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "{{cookiecutter.project_slug}}"
QUESTIONS = ROOT / "cookiecutter.json"
OLDEST_PYTHON = "3.11"
WINDOWS_NAMES = {"aux", "con", "nul", "prn"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)
}
INSTALLERS = {"pip", "setuptools", "wheel"}


def main() -> None:
    """Write ``constraints.txt`` of the template and the names that it takes."""
    constraints = PROJECT / "constraints.txt"
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    options = ["--universal", "--python-version", OLDEST_PYTHON, "--upgrade"]
    quiet = ["--quiet", "--no-annotate", "--no-header", "--no-emit-index-url"]
    subprocess.run(
        ["uv", "pip", "compile", *options, *quiet, "-o", str(constraints), "-"],
        input=requirements_of_all_choices(text),
        text=True,
        check=True,
    )
    names = json.dumps(taken_slugs(constraints.read_text(encoding="utf-8")))
    questions = QUESTIONS.read_text(encoding="utf-8")
    line = re.compile(r'^  "_taken_slugs": .*$', re.MULTILINE)
    QUESTIONS.write_text(
        line.sub(f'  "_taken_slugs": {names},', questions), encoding="utf-8"
    )


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
